//! The words in which trust says no. Each says what to do.

use std::path::PathBuf;

use dtx_proto_types::key::Fingerprint;
use dtx_proto_types::message::{Refusal, RefusalCode};
use dtx_proto_types::node::NodeName;
use dtx_proto_types::sshsig::OperatorSignature;
use ssh_key::PublicKey;

pub(super) fn refusal(code: RefusalCode, text: impl Into<String>) -> Refusal {
    Refusal {
        code,
        text: text.into(),
    }
}

/// Nobody is trusted here yet.
pub(super) fn unclaimed(
    node: &NodeName,
    files: &[PathBuf],
    signature: Option<&OperatorSignature>,
) -> Refusal {
    let text = format!(
        "no operator has claimed {node} yet, so it runs nothing. {}",
        how_to_add(node, files, signature)
    );
    refusal(RefusalCode::Unclaimed, text)
}

/// Others are trusted here.
pub(super) fn unknown(
    node: &NodeName,
    files: &[PathBuf],
    signature: &OperatorSignature,
) -> Refusal {
    let text = format!(
        "the operator key {} is not known to {node}. {}",
        signature.claimed_fingerprint(),
        how_to_add(node, files, Some(signature))
    );
    refusal(RefusalCode::UnknownOperator, text)
}

fn how_to_add(node: &NodeName, files: &[PathBuf], signature: Option<&OperatorSignature>) -> String {
    let Some(file) = files.first() else {
        return "its agent was started without an operators file (--operators FILE)".to_owned();
    };
    let file = file.display();
    let line = signature.and_then(|signature| {
        PublicKey::from(signature.claimed_key().clone())
            .to_openssh()
            .ok()
    });
    match line {
        Some(line) => format!(
            "If it should trust you, add your public key there: echo '{line}' | sudo tee -a \
             {file} (or from here: dtx enroll -w {node})"
        ),
        None => format!("Put the public key of an operator, one line, into {file} there"),
    }
}

/// The files that say whom to trust cannot be used.
pub(super) fn broken(node: &NodeName, why: &str) -> Refusal {
    let text = format!("{node} runs nothing until this is repaired there: {why}");
    refusal(RefusalCode::BrokenPolicy, text)
}

/// He was an operator here.
pub(super) fn no_longer(node: &NodeName, who: Fingerprint) -> Refusal {
    let text = format!("the operator key {who} is no longer in the operators file of {node}");
    refusal(RefusalCode::UnknownOperator, text)
}
