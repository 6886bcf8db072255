//! One mistake anywhere never takes the control plane down, and its remedy mends it.

use super::full::full;
use super::harm::any_mutation;
use super::harm::mutate;
use super::harm::paths;
use super::*;
use proptest::prelude::*;

fn same(a: &Issue, b: &Issue) -> bool {
    a.path == b.path && a.message == b.message && a.value == b.value
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn one_mistake_never_takes_the_control_plane_down(
        place in any::<prop::sample::Index>(),
        mutation in any_mutation(),
    ) {
        let mut all = Vec::new();
        paths(&full(), &Path::root(), &mut all);
        let mut tree = full();
        mutate(&mut tree, place.get(&all), &mutation);

        let loaded = Config::from_value(tree.clone());
        let gateway = &loaded.config.gateway;
        prop_assert!(gateway.port > 0);
        if loaded.issues.is_empty() || gateway.auth.is_valid() {
            // Reachable, and not wider than the file says.
            prop_assert!(gateway.bind == Bind::Loopback || tree["gateway"]["bind"] != "loopback");
        }
        for issue in &loaded.issues {
            let Some(fix) = &issue.fix else {
                prop_assert!(issue.severity == Severity::Note, "no remedy: {}", issue);
                continue;
            };
            let before = loaded.issues.iter().filter(|other| same(other, issue)).count();
            let mut mended = tree.clone();
            mend(&mut mended, fix);
            let after = Config::from_value(mended);
            let left = after.issues.iter().filter(|other| same(other, issue)).count();
            // Removing one of two like entries of a list moves the other into its place.
            let is_mended = left < before || after.issues.len() < loaded.issues.len();
            prop_assert!(is_mended, "{} does not mend it: {:#?}", issue, after.issues);
        }
    }
}
