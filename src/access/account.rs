//! Account of the principal: its user, and the token that it sent.

use crate::access::{Access, AccessError, Principal};
use crate::auth::{self, Actor, CredentialError};
use crate::catalog::tokens::{self, TokenDetails};
use crate::catalog::users::{self, UserDetails};

impl Access {
    /// Finds the principal's user.
    ///
    /// # Errors
    /// [`AccessError::Credential`].
    pub async fn current_user(&self, principal: &Principal) -> Result<UserDetails, AccessError> {
        let principal = principal.clone();
        self.read(principal.asked(), move |db| {
            let Actor::User(user) = principal.authenticate(db)? else {
                return Err(CredentialError::Unknown.into());
            };
            users::find_details(db, user.id)?.ok_or_else(|| CredentialError::Unknown.into())
        })
        .await
    }

    /// Finds the personal token of the request, and the ID of its user.
    ///
    /// # Errors
    /// [`AccessError::Credential`].
    pub async fn current_token(&self, principal: &Principal) -> Result<(TokenDetails, i64), AccessError> {
        let principal = principal.clone();
        self.read(principal.asked(), move |db| {
            principal.authenticate(db)?;
            let digest = auth::personal_digest(&principal.credentials).ok_or(CredentialError::Missing)?;
            tokens::details(db, digest)?.ok_or_else(|| CredentialError::Unknown.into())
        })
        .await
    }
}
