//! Email over SMTP submission: one kept-alive connection per worker, one mail at a time on each.
//!
//! [`settings`] is what an operator chooses; [`wire`] the stream below lettre's protocol code, with the
//! gate before the final dot; [`dial`] opens a connection up to the point where mails may follow;
//! [`connection`] hands mails over; [`verdict`] judges what the server said.
//!
//! lettre's own pool is not used: it neither sets `TCP_NODELAY` (44 ms a mail) nor lets anyone ask
//! whether a mail may still go before its final dot.

pub mod connection;
pub mod dial;
pub mod settings;
pub mod verdict;
pub mod wire;

pub use connection::SmtpTransport;
pub use settings::{SmtpSettings, SmtpTls};
