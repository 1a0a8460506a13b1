//! Restore tokens: text that a user gets by mail.

use gobag_format::{
    crypto::Key,
    ids::{BundleId, OrgId},
    sign::SigningKey,
    token::{RestoreRequest, RestoreToken, SignedToken, TagStart},
};

use super::{Vectors, bundle};

const ORG: OrgId = OrgId([0x0e; 16]);

fn signer() -> SigningKey {
    SigningKey::from_seed(&Key::from_bytes([0x51; 32]))
}

/// What the stick of [`bundle`] says to it.
pub(super) fn open(bytes: &[u8]) -> String {
    let opened =
        SignedToken::parse(bytes).and_then(|token| token.verify(ORG, bundle(), &signer().verifying_key()));
    match opened {
        Ok(token) => format!(
            "ok: change {}, header {} instead of change {}, header {}, number {}",
            token.request.sequence,
            token.request.generation,
            token.request.seen_sequence,
            token.request.seen_generation,
            token.number
        ),
        Err(error) => error.code().to_owned(),
    }
}

fn token() -> RestoreToken {
    RestoreToken {
        org: ORG,
        bundle: bundle(),
        request: RestoreRequest {
            generation: 2,
            sequence: 40,
            tag: TagStart([7; 8]),
            seen_generation: 3,
            seen_sequence: 41,
        },
        number: 1_800_000_000,
    }
}

pub(super) fn make() -> Vectors {
    let mut all = Vectors::default();
    let text = token().sign(&signer());
    let ok = "ok: change 40, header 2 instead of change 41, header 3, number 1800000000";
    let (malformed, forged) = ("token.malformed", "token.bad-signature");
    let mut add = |name: &str, text: String, expected: &str| all.add(name, text.into_bytes(), expected);
    add("good", text.clone(), ok);
    add("good-with-line-ends-of-windows", text.replace('\n', "\r\n"), ok);
    add(
        "good-amid-empty-lines-and-indented",
        format!("\n\n{}\n\n", text.replace('\n', "\n   ")),
        ok,
    );
    add("empty", String::new(), malformed);
    add("only-its-title", "gobag restore token 1\n".to_owned(), malformed);
    add(
        "title-of-something-else",
        text.replace("restore", "release"),
        malformed,
    );
    add("version-none", text.replace("token 1\n", "token 0\n"), malformed);
    add(
        "version-of-later",
        text.replace("token 1\n", "token 2\n"),
        "token.newer-format",
    );
    add(
        "unsigned",
        text.split("signature").next().unwrap_or_default().to_owned(),
        malformed,
    );
    add(
        "signature-cut",
        text.trim_end_matches(['=', '\n']).to_owned(),
        malformed,
    );
    add(
        "signature-too-short",
        format!(
            "{}signature: AAAA\n",
            text.split("signature").next().unwrap_or_default()
        ),
        malformed,
    );
    add(
        "more-behind-the-signature",
        format!("{text}note: thanks\n"),
        malformed,
    );
    add("quoted-by-mail", text.replace('\n', "\n> "), malformed);
    add(
        "empty-line-within",
        text.replace("bundle:", "\nbundle:"),
        malformed,
    );
    add(
        "line-missing",
        text.replace("tag: 0707070707070707\n", ""),
        malformed,
    );
    add(
        "line-twice",
        text.replace(
            "tag: 0707070707070707\n",
            "tag: 0707070707070707\ntag: 0707070707070707\n",
        ),
        malformed,
    );
    add(
        "lines-in-another-order",
        text.replace("generation: 2\nsequence: 40\n", "sequence: 40\ngeneration: 2\n"),
        malformed,
    );
    for (name, number) in [
        ("number-negative", "-1"),
        ("number-with-a-sign", "+40"),
        ("number-with-leading-zeros", "0040"),
        ("number-in-hexadecimal", "0x28"),
        ("number-absurd", "18446744073709551616"),
        ("number-beyond-the-limit", "4611686018427387905"),
        ("number-missing", ""),
    ] {
        add(
            name,
            text.replace("\nsequence: 40\n", &format!("\nsequence: {number}\n")),
            malformed,
        );
    }
    add(
        "tag-too-long",
        text.replace("0707070707070707", "07070707070707070"),
        malformed,
    );
    add("id-too-short", text.replace(&ORG.to_string(), "0e0e"), malformed);
    add(
        "too-long",
        format!("{text}{}", " ".repeat(2048)),
        "token.too-large",
    );
    for (name, from, to) in [
        ("altered-generation", "\ngeneration: 2", "\ngeneration: 1"),
        ("altered-sequence", "\nsequence: 40", "\nsequence: 39"),
        ("altered-tag", "0707070707070707", "0707070707070708"),
        (
            "altered-seen-generation",
            "seen-generation: 3",
            "seen-generation: 9",
        ),
        ("altered-seen-sequence", "seen-sequence: 41", "seen-sequence: 99"),
        ("altered-number", "1800000000", "1900000000"),
    ] {
        add(name, text.replace(from, to), forged);
    }
    let other = SigningKey::from_seed(&Key::from_bytes([0x52; 32]));
    add("signed-by-another-key", token().sign(&other), forged);
    add(
        "of-another-organisation",
        RestoreToken {
            org: OrgId([1; 16]),
            ..token()
        }
        .sign(&signer()),
        "token.other-org",
    );
    add(
        "for-another-bundle",
        RestoreToken {
            bundle: BundleId([1; 16]),
            ..token()
        }
        .sign(&signer()),
        "token.other-bundle",
    );
    all.add("not-text", vec![0xff; 100], malformed);
    all
}
