//! Certificate authorities that are trusted beside the public ones.

use std::path::Path;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// Certificate authorities of the operator's own network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Authorities(Vec<CertificateDer<'static>>);

/// A file that is not one of certificates.
#[derive(Debug, thiserror::Error)]
#[error("the file has no certificate in PEM")]
pub struct NotCertificates;

impl Authorities {
    /// Reads a file of certificates in PEM. Blocks.
    ///
    /// # Errors
    /// [`NotCertificates`].
    pub fn read(path: &Path) -> Result<Self, NotCertificates> {
        let read = CertificateDer::pem_file_iter(path).map_err(|_| NotCertificates)?;
        let read: Vec<_> = read.collect::<Result<_, _>>().map_err(|_| NotCertificates)?;
        let mut roots = rustls::RootCertStore::empty();
        let all = read.iter().all(|certificate| roots.add(certificate.clone()).is_ok());
        if read.is_empty() || !all { Err(NotCertificates) } else { Ok(Self(read)) }
    }

    /// Adds them to those that are trusted.
    pub(super) fn add_to(&self, roots: &mut rustls::RootCertStore) {
        // Each was tried when it was read.
        roots.add_parsable_certificates(self.0.iter().cloned());
    }
}
