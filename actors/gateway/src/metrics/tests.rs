use super::Meters;

#[test]
fn calls_are_counted_by_method_and_outcome() {
    let meters = Meters::default();
    meters.called("health", true);
    meters.called("health", true);
    meters.called("health", false);
    meters.called("no.such.method", false);
    let counted: Vec<_> = meters.calls().filter(|(_, _, count)| *count > 0).collect();
    assert_eq!(counted, [("health", "error", 1), ("health", "ok", 2)]);
}
