//! Every key a configuration may have, and the values it takes: the table in `keys.txt`, read once.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde_json::Value;

use super::path::Path;
use super::path::Segment;

const TABLE: &str = include_str!("keys.txt");

/// Largest whole number that every reader of JSON keeps exact.
const MAX_EXACT: f64 = 9_007_199_254_740_991.0;

/// What may stand at one place.
#[derive(Debug, Default)]
pub(super) struct Rule {
    /// The alternatives; any one will do.
    pub(super) kinds: Vec<Kind>,
    /// The keys below.
    pub(super) keys: Vec<(&'static str, Rule)>,
    /// Keys that several places share.
    shared: Option<&'static str>,
    /// The rule for keys of any name.
    any_key: Option<Box<Rule>>,
    /// Whether the object above makes no sense without it.
    pub(super) required: bool,
    /// Whether a mistake inside is mended by removing the whole entry: leaving out only the bad
    /// part of a binding or a group's rules would let in more than was meant.
    pub(super) whole: bool,
}

/// One kind of value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    Any,
    Text,
    Bool,
    Number {
        whole: bool,
        bounds: Box<Bounds>,
    },
    Object,
    List(Box<[Kind]>),
    /// A list of objects, whose keys stand below.
    Entries,
    Words(Box<[&'static str]>),
}

#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Bounds {
    at_least: Option<f64>,
    above: Option<f64>,
    at_most: Option<f64>,
}

/// The table.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) root: Rule,
    shared: BTreeMap<&'static str, Rule>,
}

/// The table, read when it is first asked for.
pub(super) fn known() -> &'static Known {
    static KNOWN: OnceLock<Known> = OnceLock::new();
    KNOWN.get_or_init(|| Known::read(TABLE))
}

/// Tells whether a value of this shape may stand at a path; what is not known, may.
pub fn fits(path: &Path, value: &Value) -> bool {
    let known = known();
    let mut rule = &known.root;
    for segment in path.segments() {
        let inside = match segment {
            Segment::Key(key) => known.below(rule, key),
            // The entries of a list: objects, whose keys stand below the list itself.
            Segment::Index(_) if rule.kinds.contains(&Kind::Entries) => Some(rule),
            Segment::Index(_) => None,
        };
        match inside {
            Some(inside) => rule = inside,
            None => return true,
        }
    }
    matches!(path.last(), Some(Segment::Index(_))) || rule.accepts(value)
}

/// Every place of the table with values that fit there. `name_at` names the entry below a place where any name may
/// stand; lists of objects are shown by their first entry.
pub fn places(name_at: &dyn Fn(&Path) -> String) -> Vec<(Path, Vec<Value>)> {
    let mut found = Vec::new();
    known().walk(&known().root, &Path::root(), name_at, &mut found);
    found
}

impl Known {
    fn walk(
        &self,
        rule: &Rule,
        at: &Path,
        name_at: &dyn Fn(&Path) -> String,
        found: &mut Vec<(Path, Vec<Value>)>,
    ) {
        let samples: Vec<Value> = rule.kinds.iter().flat_map(Kind::samples).collect();
        if !samples.is_empty() {
            found.push((at.clone(), samples));
        }
        let inside = if rule.kinds.contains(&Kind::Entries) {
            at.index(0)
        } else {
            at.clone()
        };
        let mut names: Vec<String> = self.names(rule).map(str::to_owned).collect();
        names.push(name_at(&inside));
        for name in names {
            if let Some(below) = self.below(rule, &name) {
                self.walk(below, &inside.key(name), name_at, found);
            }
        }
    }

    fn read(table: &'static str) -> Self {
        let lines: Vec<(usize, &str)> = table
            .lines()
            .filter(|line| !line.starts_with('#') && !line.trim().is_empty())
            .map(|line| {
                let text = line.trim_start();
                (line.len() - text.len(), text)
            })
            .collect();
        let mut rest = lines.as_slice();
        let mut root = Rule {
            kinds: vec![Kind::Object],
            ..Rule::default()
        };
        let mut shared = BTreeMap::new();
        while let Some((_, text)) = rest.first() {
            let (rule, behind) = read_rule(rest);
            match text.strip_prefix('@') {
                Some(name) => {
                    shared.insert(name, rule);
                }
                None => root.keys.push((name_of(text), rule)),
            }
            rest = behind;
        }
        Self { root, shared }
    }

    /// The rule of a key below `rule`.
    pub(super) fn below<'a>(&'a self, rule: &'a Rule, key: &str) -> Option<&'a Rule> {
        let shared = rule.shared.and_then(|name| self.shared.get(name));
        let named = |rule: &'a Rule| {
            rule.keys
                .iter()
                .find(|(name, _)| *name == key)
                .map(|(_, rule)| rule)
        };
        named(rule)
            .or_else(|| shared.and_then(named))
            .or(rule.any_key.as_deref())
            .or_else(|| shared.and_then(|shared| shared.any_key.as_deref()))
    }

    /// The names below `rule`.
    pub(super) fn names<'a>(&'a self, rule: &'a Rule) -> impl Iterator<Item = &'static str> + 'a {
        let shared = rule.shared.and_then(|name| self.shared.get(name));
        let keys = rule
            .keys
            .iter()
            .chain(shared.into_iter().flat_map(|rule| &rule.keys));
        keys.map(|(name, _)| *name)
    }

    /// The rule of keys of any name below `rule`.
    pub(super) fn any_below<'a>(&'a self, rule: &'a Rule) -> Option<&'a Rule> {
        let shared = rule.shared.and_then(|name| self.shared.get(name));
        let shared = shared.and_then(|shared| shared.any_key.as_deref());
        rule.any_key.as_deref().or(shared)
    }

    /// The names below `rule` that must be there.
    pub(super) fn required<'a>(&'a self, rule: &'a Rule) -> impl Iterator<Item = &'static str> {
        let shared = rule.shared.and_then(|name| self.shared.get(name));
        let keys = rule
            .keys
            .iter()
            .chain(shared.into_iter().flat_map(|rule| &rule.keys));
        keys.filter(|(_, rule)| rule.required)
            .map(|(name, _)| *name)
    }
}

impl Rule {
    /// Tells whether a value of this shape will do; what is inside an object is not looked at.
    pub(super) fn accepts(&self, value: &Value) -> bool {
        self.kinds.iter().any(|kind| kind.accepts(value))
    }

    /// The values that would do, for people.
    pub(super) fn allowed(&self) -> Vec<String> {
        self.kinds.iter().flat_map(Kind::describe).collect()
    }

    /// The fixed words among the alternatives.
    pub(super) fn words(&self) -> impl Iterator<Item = &'static str> {
        self.kinds
            .iter()
            .filter_map(|kind| match kind {
                Kind::Words(words) => Some(words),
                _ => None,
            })
            .flatten()
            .copied()
    }

    /// Tells whether anything may stand below.
    pub(super) fn is_open(&self) -> bool {
        self.kinds.contains(&Kind::Any)
            || (self.keys.is_empty() && self.shared.is_none() && self.any_key.is_none())
    }
}

impl Kind {
    fn accepts(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Any, _)
            | (Self::Text, Value::String(_))
            | (Self::Bool, Value::Bool(_))
            | (Self::Object, Value::Object(_)) => true,
            (Self::Number { whole, bounds }, Value::Number(number)) => number
                .as_f64()
                .is_some_and(|number| (!whole || number.fract() == 0.0) && bounds.contain(number)),
            (Self::List(kinds), Value::Array(list)) => list
                .iter()
                .all(|value| kinds.iter().any(|kind| kind.accepts(value))),
            (Self::Entries, Value::Array(list)) => list.iter().all(Value::is_object),
            (Self::Words(words), Value::String(text)) => words.contains(&text.as_str()),
            _ => false,
        }
    }

    /// Values that will do; none for what has keys of its own.
    fn samples(&self) -> Vec<Value> {
        match self {
            Self::Any | Self::Object | Self::Entries => Vec::new(),
            Self::Text => ["sample", "30m", "http://127.0.0.1:9/x", "UTC", "08:00"]
                .map(Value::from)
                .to_vec(),
            Self::Bool => vec![Value::from(true), Value::from(false)],
            Self::Number { whole, bounds } => bounds.samples(*whole),
            Self::List(kinds) => kinds
                .iter()
                .flat_map(Self::samples)
                .map(|value| Value::from(vec![value]))
                .collect(),
            Self::Words(words) => words.iter().copied().map(Value::from).collect(),
        }
    }

    fn describe(&self) -> Vec<String> {
        let one = |text: &str| vec![text.to_owned()];
        match self {
            Self::Any => one("anything"),
            Self::Text => one("a text"),
            Self::Bool => vec!["true".to_owned(), "false".to_owned()],
            Self::Number { whole, bounds } => vec![bounds.describe(*whole)],
            Self::Object => one("an object"),
            Self::List(kinds) => {
                let inside: Vec<String> = kinds.iter().flat_map(Self::describe).collect();
                vec![format!("a list of: {}", inside.join(", "))]
            }
            Self::Entries => one("a list of objects"),
            Self::Words(words) => words.iter().map(|word| (*word).to_owned()).collect(),
        }
    }
}

impl Bounds {
    fn contain(self, number: f64) -> bool {
        number.abs() <= MAX_EXACT
            && self.at_least.is_none_or(|bound| number >= bound)
            && self.above.is_none_or(|bound| number > bound)
            && self.at_most.is_none_or(|bound| number <= bound)
    }

    /// The bounds as a JSON Schema names them.
    pub(super) fn schema(self) -> impl Iterator<Item = (&'static str, f64)> {
        let named = [
            ("minimum", self.at_least),
            ("exclusiveMinimum", self.above),
            ("maximum", self.at_most),
        ];
        named
            .into_iter()
            .filter_map(|(name, bound)| Some((name, bound?)))
    }

    fn samples(self, whole: bool) -> Vec<Value> {
        let low = self.at_least.or(self.above.map(|low| low + 1.0));
        let high = self.at_most.unwrap_or(f64::MAX);
        let low = low.unwrap_or(0.0);
        [low, low + 1.0, low + 60.0, high]
            .into_iter()
            .filter(|number| self.contain(*number))
            .map(|number| {
                #[allow(clippy::cast_possible_truncation)] // within what every reader keeps exact
                if whole {
                    Value::from(number as i64)
                } else {
                    Value::from(number)
                }
            })
            .collect()
    }

    fn describe(self, whole: bool) -> String {
        let kind = if whole { "a whole number" } else { "a number" };
        match (self.at_least, self.above, self.at_most) {
            (Some(low), _, Some(high)) => format!("{kind} from {low} to {high}"),
            (Some(low), _, None) => format!("{kind}, at least {low}"),
            (None, Some(low), _) => format!("{kind} above {low}"),
            _ => kind.to_owned(),
        }
    }

    fn read(text: &str) -> Self {
        let number = |text: &str| text.parse::<f64>().ok();
        if let Some(inside) = text.strip_prefix('(') {
            let (low, high) = inside
                .trim_end_matches(')')
                .split_once("..")
                .unwrap_or_default();
            return Self {
                at_least: number(low),
                above: None,
                at_most: number(high),
            };
        }
        Self {
            at_least: text.strip_prefix(">=").and_then(number),
            above: text.strip_prefix('>').and_then(number),
            at_most: None,
        }
    }
}

/// Reads a rule with all that stands below it; answers with the lines behind.
fn read_rule<'a>(lines: &'a [(usize, &'static str)]) -> (Rule, &'a [(usize, &'static str)]) {
    let mut rule = Rule::default();
    let Some(((depth, text), mut rest)) = lines.split_first() else {
        return (rule, lines);
    };
    let mut words = text.split(' ');
    let marks = words.next().unwrap_or_default();
    rule.required = marks.trim_end_matches('^').ends_with('!');
    rule.whole = marks.ends_with('^');
    for word in words {
        match word.strip_prefix('@') {
            Some(name) => rule.shared = Some(name),
            None => rule.kinds = read_kinds(word),
        }
    }
    if rule.kinds.is_empty() {
        rule.kinds.push(Kind::Object);
    }
    while let Some((below, text)) = rest.first() {
        if below <= depth {
            break;
        }
        let (child, behind) = read_rule(rest);
        match name_of(text) {
            "*" => rule.any_key = Some(Box::new(child)),
            name => rule.keys.push((name, child)),
        }
        rest = behind;
    }
    // The table is kept for the life of the process: a thousand rules, each without room to grow.
    rule.kinds.shrink_to_fit();
    rule.keys.shrink_to_fit();
    (rule, rest)
}

fn name_of(text: &'static str) -> &'static str {
    let name = text.split(' ').next().unwrap_or_default();
    name.trim_end_matches(['!', '^'])
}

fn read_kinds(text: &'static str) -> Vec<Kind> {
    let mut kinds = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end = if rest.starts_with('[') {
            rest.find(']').map_or(rest.len(), |end| end + 1)
        } else {
            rest.find('|').unwrap_or(rest.len())
        };
        let (word, behind) = rest.split_at(end);
        kinds.push(read_kind(word));
        rest = behind.trim_start_matches('|');
    }
    kinds
}

fn read_kind(word: &'static str) -> Kind {
    if word == "[]" {
        return Kind::Entries;
    }
    if let Some(inside) = word.strip_prefix('[') {
        return Kind::List(read_kinds(inside.trim_end_matches(']')).into());
    }
    if let Some(words) = word.strip_prefix('=') {
        return Kind::Words(words.split(',').collect());
    }
    match word {
        "str" => Kind::Text,
        "bool" => Kind::Bool,
        "obj" => Kind::Object,
        _ => match (word.strip_prefix("int"), word.strip_prefix("num")) {
            (Some(bounds), _) => Kind::Number {
                whole: true,
                bounds: Box::new(Bounds::read(bounds)),
            },
            (None, Some(bounds)) => Kind::Number {
                whole: false,
                bounds: Box::new(Bounds::read(bounds)),
            },
            (None, None) => Kind::Any,
        },
    }
}
