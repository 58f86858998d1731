//! HTTP client: what all requests to an upstream have in common.

use reqwest::{Certificate, ClientBuilder, redirect, retry};

/// Begins a client that trusts `ca_certificates` in PEM besides the system's, follows no redirect, and tries nothing
/// again. `is_plain` says that it never uses TLS.
///
/// # Errors
/// A text for a certificate that cannot be read.
pub(super) fn builder(ca_certificates: Option<&str>, is_plain: bool) -> Result<ClientBuilder, String> {
    // There is one provider; an earlier call installed the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let own = match ca_certificates {
        Some(pem) => {
            Certificate::from_pem_bundle(pem.as_bytes()).map_err(|_| "ca_file: no PEM certificates")?
        }
        None => Vec::new(),
    };
    let builder = reqwest::Client::builder()
        .user_agent(concat!("artigate/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .retry(retry::never())
        .http1_only();
    // Without TLS no certificates are needed, and a machine without any must not fail.
    Ok(if is_plain { builder.tls_certs_only(own) } else { builder.tls_certs_merge(own) })
}
