//! One order: the account, the proofs, the certificate.

use super::client::Client;
use super::kept::Kept;
use crate::config::AcmeConfig;
use crate::tls::{CertificateError, Proofs, Shown};
use instant_acme::{
    Account, AccountCredentials, AuthorizationStatus, ChallengeType, Error, Identifier, NewAccount,
    NewOrder, Order, OrderStatus, RetryPolicy,
};
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// How long the authority may take to look at the proofs, and again to sign.
const PATIENCE: RetryPolicy = RetryPolicy::new().timeout(Duration::from_secs(120));
/// What an authority says that has lost our account (RFC 8555 §6.7).
const UNKNOWN_ACCOUNT: &str = "urn:ietf:params:acme:error:accountDoesNotExist";

/// Why there is no new certificate. The message ends without a full stop.
#[derive(Debug)]
pub enum AcmeError {
    /// The authority cannot be reached, or says no.
    Authority(Error),
    /// The authority wants a proof that we cannot give.
    OtherProof(String),
    /// The authority did not see the proof of this host, for this reason.
    Unproven(String, String),
    /// The order came to nothing, and nobody says why.
    Nothing,
    /// It all took too long.
    Late,
    /// What was given cannot be used.
    Unfit(CertificateError),
    /// What was given is for other hosts, or is about to end.
    Other,
    /// The account's file is not one.
    Account(PathBuf),
    /// The state folder cannot be used.
    Store(io::Error),
}

/// Gets a certificate; returns its key and its chain, in PEM.
pub async fn run(
    config: &AcmeConfig,
    kept: &Kept,
    proofs: &Proofs,
    client: &Client,
) -> Result<String, AcmeError> {
    let account = account(config, kept, client).await?;
    let hosts: Vec<Identifier> = config.hosts.iter().cloned().map(Identifier::Dns).collect();
    let order = account.new_order(&NewOrder::new(&hosts)).await;
    if matches!(&order, Err(Error::Api(why)) if why.r#type.as_deref() == Some(UNKNOWN_ACCOUNT)) {
        // The next attempt makes a new one.
        kept.forget_account().map_err(AcmeError::Store)?;
    }
    let mut order = order?;
    let shown = show(&mut order, proofs).await?;
    let ready = order.poll_ready(&PATIENCE).await;
    drop(shown);
    if !matches!(ready, Ok(OrderStatus::Ready)) {
        why_not(&mut order).await?;
        ready?;
        return Err(AcmeError::Nothing);
    }
    let key = order.finalize().await?;
    let chain = order.poll_certificate(&PATIENCE).await?;
    Ok(key + &chain)
}

/// Our account: the stored one, or a new one.
async fn account(config: &AcmeConfig, kept: &Kept, client: &Client) -> Result<Account, AcmeError> {
    let builder = Account::builder_with_http(Box::new(client.clone()));
    if let Some(stored) = kept.account().map_err(AcmeError::Store)? {
        // The parser's own message could quote the key.
        let credentials: AccountCredentials =
            serde_json::from_slice(&stored).map_err(|_| AcmeError::Account(kept.account_file()))?;
        return Ok(builder.from_credentials(credentials).await?);
    }
    let contact = config.contact.as_ref().map(|it| format!("mailto:{it}"));
    let new = NewAccount {
        contact: &contact.iter().map(String::as_str).collect::<Vec<_>>(),
        terms_of_service_agreed: true,
        only_return_existing: false,
    };
    let made = builder.create(&new, config.directory.clone(), None).await;
    let (account, credentials) = made?;
    let bytes = serde_json::to_vec(&credentials).map_err(Error::Json)?;
    kept.store_account(&bytes).map_err(AcmeError::Store)?;
    tracing::info!(
        directory = config.directory,
        "there is a new account with the authority"
    );
    Ok(account)
}

/// Shows a proof for each host that needs one, and says so.
async fn show(order: &mut Order, proofs: &Proofs) -> Result<Vec<Shown>, AcmeError> {
    let mut shown = Vec::new();
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        if authorization.status == AuthorizationStatus::Valid {
            continue;
        }
        let host = authorization.identifier().to_string();
        let challenge = authorization.challenge(ChallengeType::Http01);
        let mut challenge = challenge.ok_or(AcmeError::OtherProof(host))?;
        let proof = challenge.key_authorization().as_str().to_owned();
        shown.push(proofs.show(challenge.token.clone(), proof));
        challenge.set_ready().await?;
    }
    Ok(shown)
}

/// What the authority says of the first proof that it did not see; nothing if it does not say.
async fn why_not(order: &mut Order) -> Result<(), AcmeError> {
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        let host = authorization.identifier().to_string();
        let state = authorization.refresh().await?;
        let errors = state.challenges.iter().filter_map(|it| it.error.as_ref());
        if let Some(why) = errors.filter_map(|it| it.detail.as_ref()).next() {
            return Err(AcmeError::Unproven(host, why.clone()));
        }
    }
    Ok(())
}

impl From<Error> for AcmeError {
    fn from(error: Error) -> AcmeError {
        AcmeError::Authority(error)
    }
}

impl fmt::Display for AcmeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AcmeError::Authority(Error::Api(why)) => write!(f, "the authority says no ({why})"),
            AcmeError::Authority(error) => {
                write!(f, "the authority cannot be spoken with: {error}")
            }
            AcmeError::OtherProof(host) => write!(
                f,
                "the authority wants another proof for {host} than a file over HTTP (HTTP-01)"
            ),
            AcmeError::Unproven(host, why) => write!(
                f,
                "the authority could not see that {host} is ours: {why}. The name must lead here, \
                 and port 80 to a listener without TLS"
            ),
            AcmeError::Nothing => f.write_str("the order came to nothing, without a reason"),
            AcmeError::Late => f.write_str("the authority takes too long"),
            AcmeError::Unfit(error) => write!(f, "what was given cannot be used: {error}"),
            AcmeError::Other => f.write_str(
                "what was given is for other hosts, or would have to be renewed at once; is our \
                 clock right?",
            ),
            AcmeError::Account(path) => write!(
                f,
                "the file of our account, {}, is damaged. Restore it from a backup, or remove it: a \
                 new account is made then",
                path.display()
            ),
            AcmeError::Store(error) => write!(f, "the state folder cannot be used: {error}"),
        }
    }
}

impl std::error::Error for AcmeError {}
