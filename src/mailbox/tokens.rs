//! Messages that show a new token of the API. Each token is either shown or revoked: its text is only in memory, so a
//! restart before the post revokes it.

use super::{MailTx, Mailbox, StoreError};
use crate::domain::ids::{MessageId, TokenId};
use crate::domain::reply;
use crate::store::{DbResult, Wake, messages, personal_tokens};

impl Mailbox {
    /// At the start: revokes the tokens that the last process has not shown, and says so in their messages.
    pub async fn revoke_lost_tokens(&self) -> Result<(), StoreError> {
        if self
            .inner
            .store
            .read(personal_tokens::unshown)
            .await?
            .is_empty()
        {
            return Ok(());
        }
        self.write(|mail| {
            for token in personal_tokens::unshown(mail.db)? {
                personal_tokens::remove(mail.db, token.id)?;
                tracing::warn!(
                    token = token.name,
                    "API token revoked: the restart came before it was shown"
                );
                if let Some(message) = token.message {
                    messages::reword(mail.db, message, &reply::token_lost(&token.name))?;
                    mail.db.wake(Wake::Messages);
                }
            }
            Ok(())
        })
        .await
    }
}

impl MailTx<'_> {
    /// Remembers that this message is to show the token.
    pub(super) fn shows_token(&self, token: TokenId, message: MessageId) -> DbResult<()> {
        personal_tokens::shows(self.db, token, message)?;
        self.inner.commands.logins().shows(token, message);
        Ok(())
    }

    /// Records that the token in a message, if there is one, is shown.
    pub(super) fn token_is_shown(&self, message: MessageId) -> DbResult<()> {
        match self.inner.commands.logins().shown_by(message) {
            Some(token) => personal_tokens::shown(self.db, token, self.now),
            None => Ok(()),
        }
    }

    /// Revokes the token of a message that Slack does not take.
    pub(super) fn token_is_not_shown(&self, message: MessageId) -> DbResult<()> {
        match self.inner.commands.logins().shown_by(message) {
            Some(token) => personal_tokens::remove(self.db, token),
            None => Ok(()),
        }
    }
}
