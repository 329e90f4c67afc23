//! Ids of rows in the store, one type for each table that is referred to. In SQL, JSON and logs they are numbers.

use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

macro_rules! ids {
    ($($(#[$doc:meta])* $Id:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $Id(pub i64);

        impl fmt::Display for $Id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $Id {
            type Err = ParseIntError;

            fn from_str(text: &str) -> Result<$Id, ParseIntError> {
                text.parse().map($Id)
            }
        }
    )*};
}

ids! {
    /// A task in the mirror.
    TaskRow;
    /// A person of bot.toml; the row stays when they are removed there.
    PersonId;
    /// A task that became a person's current one.
    PinId;
    /// A list that a person was shown.
    ListId;
    /// A command of a person. Cards and buttons name it by its uid.
    CommandId;
    /// The place of a write to a source in the order of all writes. Its own id is a ULID.
    OperationSeq;
    /// A message, a press, a reaction or a form from Slack.
    EventId;
    /// A message of ours, to Slack.
    MessageId;
    /// A reaction of ours.
    ReactionId;
    /// A webhook delivery.
    DeliveryId;
    /// An entry of the log.
    EntryId;
    /// A token of the API that a person made.
    TokenId;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cursors, buttons and stored JSON of older versions have the bare number.
    #[test]
    fn an_id_is_written_and_read_as_its_number() {
        let row = TaskRow(17);
        assert_eq!(row.to_string(), "17");
        assert_eq!("17".parse(), Ok(row));
        assert_eq!(serde_json::to_string(&row).unwrap(), "17");
        assert_eq!(serde_json::from_str::<TaskRow>("17").unwrap(), row);
        assert!("17a".parse::<TaskRow>().is_err());
    }
}
