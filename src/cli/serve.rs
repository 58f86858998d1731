//! `artigate serve`

use std::io::Write;
use std::sync::Arc;

use super::{CommandError, demo};
use crate::app::App;
use crate::domain::Clock;
use crate::server;
use crate::settings::Settings;

/// Serves until SIGTERM or SIGINT.
pub(super) fn run(settings: Settings, with_demo: bool) -> Result<(), CommandError> {
    let app = App::open(settings, Clock::System).map_err(|e| CommandError::unusable("cannot start", e))?;
    let app = Arc::new(app);
    actix_web::rt::System::new().block_on(async {
        let lines = if with_demo { demo::load(&app).await? } else { None };
        let listening =
            server::listen(Arc::clone(&app)).map_err(|e| CommandError::unusable("server.listen", e))?;
        let address = listening.address;
        tracing::info!(%address, "listening on http://{address}");
        if let Some(lines) = lines {
            // Whoever reads these from a pipe waits for them; a reader that is gone is no fault.
            let mut out = std::io::stdout().lock();
            let _ = write!(out, "{}", lines(&format!("http://{address}"))).and_then(|()| out.flush());
        }
        listening.server.await.map_err(|e| CommandError::Configuration(e.into()))
    })?;
    tracing::info!("stopped");
    Ok(())
}
