//! `artigate serve`

use std::io::Write;
use std::sync::Arc;

use super::migrate::identify;
use super::{CommandError, demo};
use crate::app::App;
use crate::domain::Clock;
use crate::server;
use crate::settings::Settings;
use crate::store::StoreKey;

/// Serves until SIGTERM or SIGINT.
pub(super) fn run(settings: Settings, with_demo: bool) -> Result<(), CommandError> {
    let app = Arc::new(App::open(settings, Clock::System).map_err(CommandError::startup)?);
    actix_web::rt::System::new().block_on(async {
        app.store.probe_at_start().await.map_err(CommandError::startup)?;
        identify(&app.belonging, &app.catalog, &app.store, &app.settings).await?;
        let demo = if with_demo { demo::load(&app).await? } else { None };
        let watched = Arc::clone(&app);
        actix_web::rt::spawn(async move {
            watched.belonging.watch(&watched.catalog, &watched.store, &watched.settings).await;
        });
        let listening = server::listen(Arc::clone(&app)).map_err(CommandError::startup)?;
        actix_web::rt::spawn(app.retention.clone().sweep_forever(app.settings.sweep_interval));
        let node = StoreKey::random_writer();
        actix_web::rt::spawn(app.retention.clone().collect_forever(app.settings.clone(), node));
        let serving = actix_web::rt::spawn(listening.server);
        // Signals are taken from the server's first turn on; only then may somebody send one.
        tokio::task::yield_now().await;
        let address = listening.address;
        tracing::info!(%address, "listening on http://{address}");
        if let Some(demo) = demo {
            // Whoever reads these from a pipe waits for them; a reader that is gone is no fault.
            let mut out = std::io::stdout().lock();
            let _ = write!(out, "{}", demo.lines(&format!("http://{address}"))).and_then(|()| out.flush());
        }
        let stopped = serving.await.map_err(std::io::Error::other).flatten();
        app.ingest.writers().retire().await;
        stopped.map_err(|e| CommandError::Configuration(e.into()))
    })?;
    tracing::info!("stopped");
    Ok(())
}
