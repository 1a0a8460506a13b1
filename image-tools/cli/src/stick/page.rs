//! The page people find on their stick.

use gobag_format::{ids::BundleId, memory::Remember, org::OrgProfile};

/// Belongs to the launcher, whose words it must match.
const TEMPLATE: &str = include_str!("../../../../launcher/cli/assets/START-HERE.html");

/// What stays on a PC where IT asks for it.
const REMEMBERED: &str = " but a few sealed bytes by which it knows this stick again: your IT chose that, so that \
                          an old copy in its place is noticed. They tell nothing of you or your files";

/// The page for one stick.
pub(crate) fn start_page(user: &str, profile: &OrgProfile, bundle: BundleId, remember: Remember) -> String {
    let remembered = match remember {
        Remember::Off => String::new(),
        Remember::Ask | Remember::Token => REMEMBERED.to_owned(),
    };
    let values = [
        ("{{user}}", escaped(user)),
        ("{{organisation}}", escaped(&profile.name)),
        ("{{contact}}", escaped(&profile.contact)),
        ("{{bundle}}", bundle.to_string()),
        ("{{remembered}}", remembered),
    ];
    // Piece by piece, so that a value with braces in it is not taken for a place.
    let mut page = String::new();
    let mut rest = TEMPLATE;
    while let Some(at) = rest.find("{{") {
        page.push_str(&rest[..at]);
        rest = &rest[at..];
        match values.iter().find(|(place, _)| rest.starts_with(place)) {
            Some((place, value)) => {
                page.push_str(value);
                rest = &rest[place.len()..];
            }
            None => {
                page.push_str("{{");
                rest = &rest[2..];
            }
        }
    }
    page.push_str(rest);
    page
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_is_filled_and_names_cannot_become_markup() {
        let profile = OrgProfile {
            name: "Müller & Söhne".to_owned(),
            contact: "+49 {{user}}".to_owned(),
            ..OrgProfile::default()
        };
        let page = start_page("<b>Anna</b>", &profile, BundleId([0xab; 16]), Remember::Off);
        assert!(page.contains("nothing stays on it. Without"), "{page}");
        assert!(
            page.contains("&lt;b&gt;Anna&lt;/b&gt; at Müller &amp; Söhne"),
            "{page}"
        );
        assert!(page.contains(&"ab".repeat(16)));
        // The only braces left are those of a value.
        assert_eq!(page.matches("{{").count(), 1);
        assert!(page.contains("+49 {{user}}"));
        let page = start_page("Anna", &profile, BundleId([0xab; 16]), Remember::Ask);
        assert!(
            page.contains("nothing stays on it but a few sealed bytes by which"),
            "{page}"
        );
    }
}
