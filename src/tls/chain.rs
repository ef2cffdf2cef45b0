//! What of a chain of certificates browsers will refuse, in words.

use crate::time::Millis;
use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::X509Certificate;

/// One certificate of a file, parsed, with the line in which it begins.
pub(super) type Parsed<'a> = (usize, X509Certificate<'a>);

/// What is doubtful about `chain`, whose first is the server's own; at `now`.
pub(super) fn doubts(chain: &[Parsed<'_>], now: Millis) -> Vec<String> {
    let Some(((_, own), above)) = chain.split_first() else {
        return Vec::new();
    };
    let mut doubts = of_own(own);
    if above.is_empty() && !is_signed_by(own, own) {
        doubts.push(format!(
            "it comes alone: that of {}, which signed it, is not in the file, and whoever does not know \
             it refuses ours; the file with the whole chain is often called fullchain.pem",
            quoted(own.issuer())
        ));
    }
    for (line, certificate) in above {
        let end = certificate.validity().not_after.timestamp();
        if end < (now.0 / 1000) as i64 {
            doubts.push(format!(
                "line {line}: that of {}, which vouches for it, has expired: browsers refuse both",
                quoted(certificate.subject())
            ));
        }
    }
    doubts.extend(of_order(chain));
    doubts
}

/// What of the server's own certificate is refused.
fn of_own(own: &X509Certificate<'_>) -> Vec<String> {
    let mut doubts = Vec::new();
    if is_nameless(own) {
        doubts.push(format!(
            "it is for no host: browsers look at alternative names (subjectAltName), and not at the \
             common name of {}",
            quoted(own.subject())
        ));
    }
    if own.is_ca() {
        doubts.push(
            "it is that of an authority (CA:TRUE), as `openssl req -x509` makes them: Firefox refuses \
             it for a server"
                .to_owned(),
        );
    }
    if is_signed_by_itself(own) {
        doubts.push("it is signed by itself: browsers warn of it".to_owned());
    }
    if is_not_for_servers(own) {
        doubts.push("it is not for servers (extended key usage): browsers refuse it".to_owned());
    }
    doubts
}

/// Whether it has no alternative name at all.
pub(super) fn is_nameless(own: &X509Certificate<'_>) -> bool {
    let names = own.subject_alternative_name().ok().flatten();
    names.is_none_or(|names| names.value.general_names.is_empty())
}

/// Whether it says what it is for, and servers are not among that.
pub(super) fn is_not_for_servers(own: &X509Certificate<'_>) -> bool {
    let usage = own.extended_key_usage().ok().flatten();
    usage.is_some_and(|usage| !usage.value.server_auth && !usage.value.any)
}

/// Whether nobody but itself vouches for it.
pub(super) fn is_signed_by_itself(own: &X509Certificate<'_>) -> bool {
    is_signed_by(own, own)
}

/// The first certificate that is not followed by the one that signed it.
fn of_order(chain: &[Parsed<'_>]) -> Option<String> {
    let links = chain.iter().zip(chain.iter().skip(1));
    let broken = |((_, one), (_, next)): &(&Parsed<'_>, &Parsed<'_>)| !is_signed_by(one, next);
    let ((line, one), (next_line, next)) = { links }.find(broken)?;
    if is_signed_by(one, one) {
        return Some(format!(
            "line {next_line}: that of {} stands behind the end of the chain, where nobody needs it",
            quoted(next.subject())
        ));
    }
    let signer = chain.iter().find(|(_, other)| is_signed_by(one, other));
    Some(match signer {
        Some((right, _)) => format!(
            "the chain is out of order: behind that of line {line} should stand that of line {right}, \
             which signed it; some clients refuse it so"
        ),
        None => format!(
            "line {next_line}: that of {} did not sign the one of {} above it, which {} did: browsers that \
             do not know that one refuse ours",
            quoted(next.subject()),
            quoted(one.subject()),
            quoted(one.issuer())
        ),
    })
}

/// Whether names and key identifiers say that `issuer` signed `certificate` (RFC 5280 §4.2.1.1).
fn is_signed_by(certificate: &X509Certificate<'_>, issuer: &X509Certificate<'_>) -> bool {
    let wanted =
        certificate
            .extensions()
            .iter()
            .find_map(|extension| match extension.parsed_extension() {
                ParsedExtension::AuthorityKeyIdentifier(id) => id.key_identifier.as_ref(),
                _ => None,
            });
    let given =
        (issuer.extensions().iter()).find_map(|extension| match extension.parsed_extension() {
            ParsedExtension::SubjectKeyIdentifier(id) => Some(id),
            _ => None,
        });
    let same_key = wanted
        .zip(given)
        .is_none_or(|(wanted, given)| wanted == given);
    certificate.issuer().as_raw() == issuer.subject().as_raw() && same_key
}

/// The common name, or all that there is.
fn quoted(name: &x509_parser::x509::X509Name<'_>) -> String {
    let common = name.iter_common_name().next();
    let common = common.and_then(|name| name.as_str().ok());
    match common {
        Some(common) => format!("\"{common}\""),
        None => format!("\"{name}\""),
    }
}
