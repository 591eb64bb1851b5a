use std::io;
use std::net::SocketAddr;

/// Why a server did not start. Whoever knows where a setting came from adds that to the message.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another program listens there.
    #[error("cannot listen on {addr}: another program already does")]
    Busy {
        /// The address that was asked for.
        addr: SocketAddr,
    },
    /// This user may not listen there; ports below 1024 are the usual reason.
    #[error("cannot listen on {addr}: this user may not")]
    Forbidden {
        /// The address that was asked for.
        addr: SocketAddr,
    },
    /// Anything else that the system said.
    #[error("cannot listen on {addr}: {source}")]
    Listen {
        /// The address that was asked for.
        addr: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// A path that no request could reach.
    #[error("plugin {plugin} cannot be mounted at {path:?}: {reason}")]
    Mount {
        /// The plugin that asks for it.
        plugin: String,
        /// The path.
        path: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Two plugins want the same path.
    #[error("plugins {first} and {second} both want to be mounted at {path:?}; disable one of them")]
    MountTaken {
        /// The path.
        path: String,
        /// The plugin that has it.
        first: String,
        /// The plugin that also asks for it.
        second: String,
    },
}

impl Error {
    pub(crate) fn listen(addr: SocketAddr, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::AddrInUse => Self::Busy { addr },
            io::ErrorKind::PermissionDenied => Self::Forbidden { addr },
            _ => Self::Listen { addr, source },
        }
    }
}
