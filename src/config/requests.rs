//! Patterns of requests: a path, and, where a path does not say enough, a method and parameters
//! of the query.
//!
//! A request pattern is a path pattern, or a table of
//!
//! | key | meaning |
//! |---|---|
//! | `path` | a path pattern; every path if it is not written |
//! | `method` | `"POST"`, or a list; every method if it is not written; `GET` means `HEAD` as well |
//! | `query` | parameters that must all be there, each exactly once |
//! | `host` | a host pattern, or a list; every host of the room if it is not written |
//! | `form` | (of back-channels) the first parameter of a small form that another server posts |
//!
//! and a parameter is one of
//!
//! | written | means |
//! |---|---|
//! | `code` | it is there, with whatever value |
//! | `logout=1` | it has exactly this value |
//! | `ticket=ST-*` | its value begins with `ST-` and goes on |
//!
//! Names and values are compared as forms decode them, byte for byte. A table must name a path or
//! a parameter: a method or a host alone would mean far too much. A form is read only where it may be meant
//! (see `front::forms`); it is of method POST, whether that is written or not.

use super::hosts::{HOST_EXAMPLE, HostPattern};
use super::pattern::{PathPattern, PathSet, behind_commas};
use super::table::{Field, Table};
use super::values::{list, parsed};
use http::Method;
use std::collections::HashSet;
use std::fmt::{self, Display, Formatter};

/// Pairs of a query that are looked at; no sign-on has as many, and each costs time.
const MAX_QUERY_PAIRS: usize = 128;
/// Bytes of a parameter's pattern.
const MAX_PARAMETER_BYTES: usize = 256;

pub(super) const PATH_EXAMPLE: &str =
    "write a path such as \"/connexion\", \"/assets/**\" or \"/**\"";
const METHOD_EXAMPLE: &str = "write a method such as \"GET\" or \"POST\"";
const PARAMETER_EXAMPLE: &str =
    "write a parameter such as \"code\", \"logout=1\" or \"ticket=ST-*\"";

/// A request as patterns see it.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// Its method.
    pub method: &'a Method,
    /// Its host, in lower case and without a port.
    pub host: &'a str,
    /// Its path in one canonical form, without a query string.
    pub path: &'a str,
    /// Its query string as it came, without the question mark; empty if there is none.
    pub query: &'a str,
    /// The name of the first parameter of its form, decoded, if that was read.
    pub form: Option<&'a str>,
}

/// Which requests are meant; see the module for the grammar.
#[derive(Clone, Debug)]
pub struct RequestPattern {
    /// `None`: every path.
    path: Option<PathPattern>,
    /// Empty: every method.
    methods: Vec<Method>,
    /// Empty: every host of the room.
    hosts: Vec<HostPattern>,
    query: Vec<Parameter>,
    /// The name of the first parameter of its form; `None`: whatever its body is.
    form: Option<Box<str>>,
}

/// What one parameter of the query must be.
#[derive(Clone, Debug)]
struct Parameter {
    text: Box<str>,
    name: Box<str>,
    value: Value,
}

#[derive(Clone, Debug)]
enum Value {
    Any,
    Exact(Box<str>),
    /// Begins with this and goes on.
    Begins(Box<str>),
}

impl RequestPattern {
    /// Whether `seen` is meant.
    pub fn matches(&self, seen: Seen<'_>) -> bool {
        let method = |known: &Method| {
            known == seen.method || (*known == Method::GET && *seen.method == Method::HEAD)
        };
        (self.methods.is_empty() || self.methods.iter().any(method))
            && (self.hosts.is_empty() || self.hosts.iter().any(|host| host.matches(seen.host)))
            && (self.path.as_ref()).is_none_or(|path| path.matches(seen.path))
            && self.query.iter().all(|wanted| wanted.is_in(seen.query))
            && (self.form.as_deref()).is_none_or(|form| seen.form == Some(form))
    }

    /// The same with a path in whatever case.
    fn ignoring_case(&self) -> RequestPattern {
        RequestPattern {
            path: self.path.as_ref().map(PathPattern::ignoring_case),
            ..self.clone()
        }
    }

    /// The hosts at which it holds; none if it does at every host of the room.
    pub fn hosts(&self) -> &[HostPattern] {
        &self.hosts
    }

    /// Whether it says where it holds, by host or by path, and that is there; whatever else it asks.
    fn is_at(&self, host: &str, path: &str) -> bool {
        match self.hosts.is_empty() {
            true => self.path.as_ref().is_some_and(|it| it.matches(path)),
            false => self.hosts.iter().any(|it| it.matches(host)),
        }
    }

    /// The path pattern, if nothing else is asked.
    fn path_alone(&self) -> Option<&PathPattern> {
        let alone = self.methods.is_empty() && self.query.is_empty() && self.form.is_none();
        self.path
            .as_ref()
            .filter(|_| alone && self.hosts.is_empty())
    }
}

/// `POST /auth/saml/acs`, `?ticket=ST-*`, `GET,POST /login ?a&b=1`, `POST form logoutRequest`,
/// `POST / on auth.*`.
impl Display for RequestPattern {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let methods: Vec<&str> = self.methods.iter().map(Method::as_str).collect();
        let query: Vec<&str> = self.query.iter().map(|wanted| &*wanted.text).collect();
        let mut parts = Vec::new();
        if !methods.is_empty() {
            parts.push(methods.join(","));
        }
        parts.extend(self.path.as_ref().map(ToString::to_string));
        if !query.is_empty() {
            parts.push(format!("?{}", query.join("&")));
        }
        parts.extend(self.form.as_ref().map(|form| format!("form {form}")));
        if !self.hosts.is_empty() {
            let hosts: Vec<String> = self.hosts.iter().map(ToString::to_string).collect();
            parts.push(format!("on {}", hosts.join(",")));
        }
        f.write_str(&parts.join(" "))
    }
}

impl Parameter {
    fn parse(text: &str) -> Result<Parameter, String> {
        if text.len() > MAX_PARAMETER_BYTES {
            return Err(format!("longer than {MAX_PARAMETER_BYTES} bytes"));
        }
        let odd = |c: &char| matches!(c, '&' | '?' | '#' | '%') || !c.is_ascii_graphic();
        if let Some(c) = text.chars().find(odd) {
            return Err(format!("{c:?} cannot stand in a parameter"));
        }
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (text, None),
        };
        if name.is_empty() || name.contains('*') {
            return Err("a parameter begins with its name, without `*`".into());
        }
        let value = match value.map(|value| value.strip_suffix('*').ok_or(value)) {
            None => Value::Any,
            Some(Ok(begin)) if !begin.contains('*') => Value::Begins(begin.into()),
            Some(Err(exact)) if !exact.contains('*') => Value::Exact(exact.into()),
            _ => return Err("`*` may only stand at the end of a value".into()),
        };
        Ok(Parameter {
            text: text.into(),
            name: name.into(),
            value,
        })
    }

    /// Whether `query` has the parameter exactly once, with such a value. Twice is not meant:
    /// one portal would read the first, another the last.
    fn is_in(&self, query: &str) -> bool {
        if query.bytes().filter(|byte| *byte == b'&').count() > MAX_QUERY_PAIRS {
            return false;
        }
        let pairs = form_urlencoded::parse(query.as_bytes());
        let mut values = pairs.filter(|(name, _)| *name == *self.name);
        let (Some((_, value)), None) = (values.next(), values.next()) else {
            return false;
        };
        match &self.value {
            Value::Any => true,
            Value::Exact(exact) => *value == **exact,
            Value::Begins(begin) => value.len() > begin.len() && value.starts_with(&**begin),
        }
    }
}

/// Several request patterns, compiled to be asked often: those that are a path alone are one
/// [`PathSet`].
#[derive(Clone, Debug, Default)]
pub struct RequestSet {
    all: Vec<RequestPattern>,
    paths: PathSet,
    narrower: Vec<RequestPattern>,
    forms: bool,
}

impl RequestSet {
    /// The set of what any of `patterns` means.
    pub fn new(patterns: impl IntoIterator<Item = RequestPattern>) -> RequestSet {
        let mut written = HashSet::new();
        let once = |pattern: &RequestPattern| written.insert(pattern.to_string());
        let all: Vec<RequestPattern> = patterns.into_iter().filter(once).collect();
        let alone = all.iter().filter_map(RequestPattern::path_alone);
        let narrower = all.iter().filter(|one| one.path_alone().is_none());
        RequestSet {
            paths: PathSet::new(alone.cloned().collect()),
            narrower: narrower.cloned().collect(),
            forms: all.iter().any(|one| one.form.is_some()),
            all,
        }
    }

    /// The set of what either of the two means.
    pub fn and(self, other: RequestSet) -> RequestSet {
        match (self.is_empty(), other.is_empty()) {
            (true, _) => other,
            (_, true) => self,
            _ => RequestSet::new(self.all.into_iter().chain(other.all)),
        }
    }

    /// The same, where patterns that name a host hold at `hosts` instead; at every host if there are
    /// none.
    #[must_use]
    pub fn at(&self, hosts: &[HostPattern]) -> RequestSet {
        RequestSet::new(
            self.all
                .iter()
                .map(|pattern| match pattern.hosts.is_empty() {
                    true => pattern.clone(),
                    false => RequestPattern {
                        hosts: hosts.to_vec(),
                        ..pattern.clone()
                    },
                }),
        )
    }

    /// The same with paths in whatever case.
    #[must_use]
    pub fn ignoring_case(&self) -> RequestSet {
        RequestSet::new(self.all.iter().map(RequestPattern::ignoring_case))
    }

    /// Whether any pattern means `seen`.
    pub fn contains(&self, seen: Seen<'_>) -> bool {
        self.paths.contains(seen.path) || self.narrower.iter().any(|one| one.matches(seen))
    }

    /// Whether a pattern that names a path means `seen`: the others mean something at every path.
    pub fn contains_there(&self, seen: Seen<'_>) -> bool {
        let placed = |one: &&RequestPattern| one.path.is_some();
        self.paths.contains(seen.path)
            || (self.narrower.iter().filter(placed)).any(|one| one.matches(seen))
    }

    /// Whether a pattern names `host`, or `path` at every host: whatever else it asks.
    pub fn names(&self, host: &str, path: &str) -> bool {
        self.all.iter().any(|one| one.is_at(host, path))
    }

    /// Whether a pattern asks for what is in a form.
    pub fn reads_forms(&self) -> bool {
        self.forms
    }

    /// Whether there is no pattern.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The number of patterns; one that was written twice counts once.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// The patterns, in the order in which they were written.
    pub fn iter(&self) -> std::slice::Iter<'_, RequestPattern> {
        self.all.iter()
    }
}

/// One request pattern: a path, or a table.
pub(super) fn request(field: Field<'_>) -> Option<RequestPattern> {
    pattern(field, false)
}

/// The same of another server's calls, which may be known by their forms.
pub(super) fn call(field: Field<'_>) -> Option<RequestPattern> {
    pattern(field, true)
}

fn pattern(field: Field<'_>, forms: bool) -> Option<RequestPattern> {
    let Some(mut table) = field.table() else {
        return path(field).map(|path| RequestPattern {
            path: Some(path),
            methods: Vec::new(),
            hosts: Vec::new(),
            query: Vec::new(),
            form: None,
        });
    };
    let narrow = ["path", "query", "form"].iter().any(|key| table.has(key));
    let mut pattern = RequestPattern {
        path: table.read("path", path),
        methods: table.read_or("method", list(parsed(method, METHOD_EXAMPLE)), Vec::new()),
        hosts: table.read_or(
            "host",
            list(parsed(HostPattern::parse, HOST_EXAMPLE)),
            Vec::new(),
        ),
        query: table.read_or(
            "query",
            list(parsed(Parameter::parse, PARAMETER_EXAMPLE)),
            Vec::new(),
        ),
        form: table.read("form", |field| form(field, forms)),
    };
    if pattern.form.is_some() {
        posted(&table, &mut pattern.methods);
    }
    table.finish();
    if !narrow {
        return field.wrong(
            "names neither a path nor a parameter",
            "write `{ path = \"/login\", method = \"POST\" }` or `{ query = [\"ticket=ST-*\"] }`",
        );
    }
    Some(pattern)
}

/// One path pattern.
pub(super) fn path(field: Field<'_>) -> Option<PathPattern> {
    parsed(one_path, PATH_EXAMPLE)(field)
}

/// Reads a pattern, and refuses several paths in one: valid, and no path of a portal.
fn one_path(text: &str) -> Result<PathPattern, String> {
    match behind_commas(text).any(|rest| rest.trim_start().starts_with('/')) {
        true => Err("a second path stands behind a comma".into()),
        false => PathPattern::parse(text),
    }
}

/// The name of a form's first parameter.
fn form(field: Field<'_>, may: bool) -> Option<Box<str>> {
    if !may {
        return field.wrong(
            "forms are not read here",
            "write it in `back_channels`: only calls of other servers are known by their forms",
        );
    }
    let name = |text: &str| match Parameter::parse(text)? {
        Parameter {
            name,
            value: Value::Any,
            ..
        } => Ok(name),
        _ => Err("only the name of a form's first parameter is compared".to_owned()),
    };
    parsed(name, "write its name alone, such as \"logoutRequest\"")(field)
}

/// Forms are posted.
fn posted(table: &Table<'_>, methods: &mut Vec<Method>) {
    if methods.is_empty() {
        methods.push(Method::POST);
    } else if *methods != [Method::POST] {
        table.sink().wrong(
            table.span(&["method"]),
            "a form comes by POST alone",
            "no other method has one",
            "write `method = \"POST\"`, or nothing",
        );
    }
}

fn method(text: &str) -> Result<Method, String> {
    if !text
        .bytes()
        .all(|byte| byte.is_ascii_uppercase() || byte == b'-')
    {
        return Err("a method is written in capitals".into());
    }
    Method::from_bytes(text.as_bytes()).map_err(|_| "not a method".into())
}

#[cfg(test)]
mod tests;
