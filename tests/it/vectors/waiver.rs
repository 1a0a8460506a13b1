//! Waivers: text that a user gets by mail.

use super::{Vectors, bundle};
use gobag_format::{
    crypto::Key,
    ids::{BundleId, OrgId},
    sign::SigningKey,
    waiver::{SignedWaiver, Waiver, WaiverLetter},
};

const ORG: OrgId = OrgId([0x0e; 16]);

fn signer() -> SigningKey {
    SigningKey::from_seed(&Key::from_bytes([0x51; 32]))
}

/// What the stick of [`bundle`] says to it.
pub(super) fn open(bytes: &[u8]) -> String {
    let opened =
        SignedWaiver::parse(bytes).and_then(|waiver| waiver.verify(ORG, bundle(), &signer().verifying_key()));
    match opened {
        Ok(waiver) => format!("ok: {} until {}, {}", waiver.rule, waiver.until, waiver.reason),
        Err(error) => error.code().to_owned(),
    }
}

fn letter() -> WaiverLetter {
    WaiverLetter {
        org: ORG,
        bundle: Some(bundle()),
        waiver: Waiver {
            rule: "antivirus.active".to_owned(),
            until: "2026-12-31".parse().unwrap(),
            reason: "the new scanner comes in January".to_owned(),
        },
    }
}

pub(super) fn make() -> Vectors {
    let mut all = Vectors::default();
    let signed = |letter: WaiverLetter| letter.sign(&signer()).unwrap();
    let text = signed(letter());
    let ok = "ok: antivirus.active until 2026-12-31, the new scanner comes in January";
    let (malformed, forged) = ("waiver.malformed", "waiver.bad-signature");
    let mut add = |name: &str, text: String, expected: &str| all.add(name, text.into_bytes(), expected);
    add("good", text.clone(), ok);
    add("good-with-line-ends-of-windows", text.replace('\n', "\r\n"), ok);
    let for_all = WaiverLetter {
        bundle: None,
        ..letter()
    };
    add("good-for-all-sticks", signed(for_all), ok);
    add("empty", String::new(), malformed);
    add("only-its-title", "gobag waiver 1\n".to_owned(), malformed);
    add(
        "title-of-a-restore-token",
        text.replace("gobag waiver", "gobag restore token"),
        malformed,
    );
    add(
        "version-of-later",
        text.replace("waiver 1\n", "waiver 2\n"),
        "waiver.newer-format",
    );
    let unsigned = text.split("signature").next().unwrap_or_default();
    add("unsigned", unsigned.to_owned(), malformed);
    add(
        "signature-too-short",
        format!("{unsigned}signature: AAAA\n"),
        malformed,
    );
    add(
        "more-behind-the-signature",
        format!("{text}note: thanks\n"),
        malformed,
    );
    add("line-missing", text.replace("until: 2026-12-31\n", ""), malformed);
    for (name, from, to, expected) in [
        ("altered-rule", "antivirus.active", "firewall.active", forged),
        ("altered-day", "2026-12-31", "2027-12-31", forged),
        ("altered-reason", "January", "February", forged),
        ("made-good-for-all", &*bundle().to_string(), "all", forged),
        ("day-that-is-none", "2026-12-31", "2026-02-30", malformed),
        ("day-in-another-form", "2026-12-31", "20261231", malformed),
        ("day-with-a-time", "2026-12-31", "2026-12-31T10:00", malformed),
        (
            "rule-with-capitals",
            "antivirus.active",
            "Antivirus.Active",
            malformed,
        ),
        ("rule-missing", "rule: antivirus.active", "rule:", malformed),
        (
            "reason-missing",
            "the new scanner comes in January",
            "",
            malformed,
        ),
        ("reason-with-a-terminal-code", "January", "\u{1b}[2J", malformed),
    ] {
        add(name, text.replace(from, to), expected);
    }
    add(
        "reason-too-long",
        text.replace("January", &"x".repeat(300)),
        malformed,
    );
    add(
        "rule-too-long",
        text.replace("antivirus.active", &"x".repeat(65)),
        malformed,
    );
    add(
        "too-long",
        format!("{text}{}", " ".repeat(2048)),
        "waiver.too-large",
    );
    let other = SigningKey::from_seed(&Key::from_bytes([0x52; 32]));
    add("signed-by-another-key", letter().sign(&other).unwrap(), forged);
    let foreign = WaiverLetter {
        org: OrgId([1; 16]),
        ..letter()
    };
    add("of-another-organisation", signed(foreign), "waiver.other-org");
    let elsewhere = WaiverLetter {
        bundle: Some(BundleId([1; 16])),
        ..letter()
    };
    add("for-another-bundle", signed(elsewhere), "waiver.other-bundle");
    all.add("not-text", vec![0xff; 100], malformed);
    all
}
