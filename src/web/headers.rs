//! Headers of pages: what they may load and who may frame them is nothing but this server.

use actix_web::HttpResponseBuilder;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, REFERRER_POLICY, VARY, X_FRAME_OPTIONS,
};

/// What a page may load: style sheets, images, sound and films from here, and no script from anywhere.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; media-src 'self'; form-action 'self'; \
     frame-ancestors 'none'; base-uri 'none'";

/// Returns what a page may load whose forms may lead to `hosts` at last, besides here: browsers look at every redirect
/// that answers a form.
pub(super) fn policy_with_forms_to(hosts: &str) -> String {
    POLICY.replace("form-action 'self'", &format!("form-action 'self' {hosts}"))
}

/// What nothing on a page may use.
const PERMISSIONS: &str = "accelerometer=(), camera=(), geolocation=(), gyroscope=(), magnetometer=(), microphone=(), \
     payment=(), usb=()";

pub(super) const CROSS_ORIGIN_OPENER_POLICY: HeaderName =
    HeaderName::from_static("cross-origin-opener-policy");
pub(super) const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName =
    HeaderName::from_static("cross-origin-resource-policy");
const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");

/// The request headers by which an answer at a page's address differs, besides those of credentials.
const DIFFERS_BY: &str = "Accept, Sec-Fetch-Mode, Cookie";

/// Adds the headers of a page. One that somebody signed in for is kept nowhere.
pub(super) fn describe(answer: &mut HttpResponseBuilder, is_signed_in: bool) {
    for (name, value) in of_page(is_signed_in) {
        answer.insert_header((name, value));
    }
}

/// Returns the headers of a page.
pub(super) fn of_page(is_signed_in: bool) -> [(HeaderName, &'static str); 8] {
    [
        (CONTENT_SECURITY_POLICY, POLICY),
        (CROSS_ORIGIN_OPENER_POLICY, "same-origin"),
        (CROSS_ORIGIN_RESOURCE_POLICY, "same-origin"),
        (X_FRAME_OPTIONS, "DENY"),
        // `no-referrer` would take the origin out of the forms that are sent from here.
        (REFERRER_POLICY, "same-origin"),
        (PERMISSIONS_POLICY, PERMISSIONS),
        (CACHE_CONTROL, if is_signed_in { "private, no-store" } else { "private, no-cache" }),
        (VARY, DIFFERS_BY),
    ]
}
