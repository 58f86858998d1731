//! `artigate serve`: the server with its background tasks.

use std::io::Write;
use std::sync::Arc;

use super::migrate::assign_instance_id;
use super::{CommandError, demo};
use crate::app::App;
use crate::domain::Clock;
use crate::server;
use crate::settings::Settings;

/// Serves HTTP until SIGTERM or SIGINT.
pub(super) fn run(settings: Settings, with_demo: bool) -> Result<(), CommandError> {
    let app = Arc::new(App::open(settings, Clock::System).map_err(CommandError::startup)?);
    actix_web::rt::System::new().block_on(async {
        app.store.probe_at_start().await.map_err(CommandError::startup)?;
        assign_instance_id(&app.belonging, &app.catalog, &app.store, &app.settings).await?;
        let demo = if with_demo { demo::load(&app).await? } else { None };
        let watched = Arc::clone(&app);
        actix_web::rt::spawn(async move {
            watched.belonging.watch(&watched.catalog, &watched.store, &watched.settings).await;
        });
        let listening = server::listen(Arc::clone(&app)).map_err(CommandError::startup)?;
        actix_web::rt::spawn(app.retention.clone().sweep_forever(app.settings.sweep_interval));
        let assembling = Arc::clone(&app);
        actix_web::rt::spawn(async move { assembling.ingest.assemble_forever(&assembling.clock).await });
        actix_web::rt::spawn(app.retention.clone().watch_agents_forever());
        let logging = Arc::clone(&app);
        actix_web::rt::spawn(async move {
            let (clock, interval) = (logging.clock.clone(), logging.settings.sweep_interval);
            logging.ingest.assemble_logs_forever(clock, interval).await;
        });
        let following = Arc::clone(&app);
        actix_web::rt::spawn(async move { following.access.follow_hints_forever().await });
        let checking = Arc::clone(&app);
        actix_web::rt::spawn(async move { checking.access.check_projects_forever().await });
        let removing = Arc::clone(&app);
        actix_web::rt::spawn(async move { remove_evicted_forever(&removing).await });
        if let Some(address) = listening.metrics {
            tracing::info!(%address, "metrics are at http://{address}/metrics");
        }
        let node = app.node.number();
        actix_web::rt::spawn(app.retention.clone().collect_forever(app.settings.clone(), node));
        actix_web::rt::spawn(app.retention.clone().count_forever(node));
        let shown = Arc::clone(&app);
        let showing = actix_web::rt::spawn(async move { shown.node.show_forever().await });
        let serving = actix_web::rt::spawn(listening.server);
        // The server handles signals from its first poll on, so the address is logged only after that.
        tokio::task::yield_now().await;
        let (address, scheme) = (listening.address, app.settings.scheme());
        tracing::info!(%address, node = app.node.name(), "listening on {scheme}://{address}");
        if let Some(demo) = demo {
            // Flushed for readers of a pipe; a closed pipe is no error.
            let mut out = std::io::stdout().lock();
            let _ =
                write!(out, "{}", demo.lines(&format!("{scheme}://{address}"))).and_then(|()| out.flush());
        }
        let stopped = serving.await.map_err(std::io::Error::other).flatten();
        showing.abort();
        tokio::join!(app.ingest.writers().retire(), app.node.leave());
        stopped.map_err(|e| CommandError::Configuration(e.into()))
    })?;
    tracing::info!("stopped");
    Ok(())
}

/// Deletes the bytes of copies that have given way to others, before the next sweep: until then they take room.
async fn remove_evicted_forever(app: &App) {
    loop {
        app.pulls.evicted().await;
        if let Err(error) = app.retention.remove_bytes(false, |_| {}).await {
            tracing::error!(causes = error.source_chain(), "the bytes of copies are not deleted");
        }
    }
}
