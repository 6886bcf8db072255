use std::panic::catch_unwind;
use std::time::Duration;

use crate::fault;
use crate::fault::ArmError;
use crate::fault::Injected;

#[test]
fn a_fault_acts_on_its_hit_only() {
    fault::arm("test.nth=err@2; test.every=err").unwrap();
    let err = |point: &str| {
        Err(Injected {
            point: point.to_owned(),
        })
    };
    assert_eq!(fault::point!("test.nth"), Ok(()));
    assert_eq!(fault::point!("test.nth"), err("test.nth"));
    assert_eq!(fault::point!("test.nth"), Ok(()));
    assert_eq!(fault::point!("test.every"), err("test.every"));
    assert_eq!(fault::point!("test.every"), err("test.every"));
    assert_eq!(fault::hits().get("test.nth"), Some(&3));
}

#[test]
fn a_panic_names_its_point() {
    fault::arm("test.panic=panic").unwrap();
    let payload = catch_unwind(|| fault::point!("test.panic")).unwrap_err();
    assert_eq!(
        payload.downcast_ref::<String>().unwrap(),
        "fault injected at test.panic"
    );
}

#[test]
fn nonsense_arms_nothing() {
    for text in [
        "x",
        "x=explode",
        "test.good=err;x=delay(soon)",
        "x=err@first",
    ] {
        assert!(
            matches!(fault::arm(text), Err(ArmError::Malformed { .. })),
            "{text}"
        );
    }
    assert_eq!(fault::point!("test.good"), Ok(()));
}

#[tokio::test(start_paused = true)]
async fn futures_hang_and_are_delayed() {
    fault::arm("test.delay=delay(5000);test.hang=hang").unwrap();
    let before = tokio::time::Instant::now();
    fault::point_async!("test.delay").await.unwrap();
    assert_eq!(before.elapsed(), Duration::from_secs(5));
    let hung = tokio::time::timeout(Duration::from_secs(60), fault::point_async!("test.hang"));
    assert!(hung.await.is_err());
}
