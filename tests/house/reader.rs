//! What a source file says, without its tests: the paths it names, what it calls, and how
//! long its functions are.

use proc_macro2::{TokenStream, TokenTree};
use std::fs;
use std::path::{Path, PathBuf};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

/// One parsed file.
pub struct Source {
    /// Its path below `src`.
    pub name: String,
    /// The module of the top level that it belongs to.
    pub module: String,
    /// How many modules deep it stands: 1 for `src/x.rs` and `src/x/mod.rs`.
    pub depth: usize,
    pub text: String,
    file: syn::File,
    /// The folder of its child modules, below `src`.
    children: PathBuf,
}

impl Source {
    /// Every source file below `src`; of those that are only compiled for tests, the text.
    pub fn all(src: &Path) -> Vec<Source> {
        let mut files = Vec::new();
        walk(src, &mut files);
        files.sort();
        let mut sources: Vec<Source> = files.iter().map(|path| Source::read(src, path)).collect();
        let tests: Vec<PathBuf> = sources.iter().flat_map(Source::test_files).collect();
        for source in &mut sources {
            let name = Path::new(&source.name).with_extension("");
            if tests.iter().any(|test| name.starts_with(test)) {
                source.file.items.clear();
            }
        }
        sources
    }

    /// Parses `text`, as a file `name` of `module`, `depth` modules below the crate.
    pub fn parse(name: &str, module: &str, depth: usize, text: &str) -> Source {
        Source {
            name: name.to_owned(),
            module: module.to_owned(),
            depth,
            text: text.to_owned(),
            file: syn::parse_file(text).unwrap_or_else(|error| panic!("{name}: {error}")),
            children: children(Path::new(name)),
        }
    }

    /// The child modules that this file declares for tests only and that have files of their
    /// own, below `src` and without ending.
    pub fn test_files(&self) -> Vec<PathBuf> {
        let declared = self.file.items.iter().filter_map(|item| match item {
            syn::Item::Mod(module) if module.content.is_none() => Some(module),
            _ => None,
        });
        declared
            .filter(|module| only_for_tests(&module.attrs))
            .map(|module| self.children.join(module.ident.to_string()))
            .collect()
    }

    /// Every path that is named, from its root: `crate::room::Room`, `std::fs`, …; `super` is
    /// resolved.
    pub fn paths(&self) -> Vec<String> {
        self.look().paths
    }

    /// The names of the macros and methods that are called.
    pub fn calls(&self) -> Vec<String> {
        self.look().calls
    }

    fn look(&self) -> Look {
        let mut look = Look::new(self.depth, &self.module);
        look.visit_file(&self.file);
        look
    }

    fn read(src: &Path, path: &Path) -> Source {
        let name = path.strip_prefix(src).expect("it was found below src");
        let mut parts: Vec<&str> = name
            .iter()
            .map(|part| part.to_str().expect("sources have plain names"))
            .map(|part| part.trim_end_matches(".rs"))
            .collect();
        if parts.last() == Some(&"mod") {
            parts.pop();
        }
        let text = fs::read_to_string(path).expect("sources are text");
        Source::parse(&name.display().to_string(), parts[0], parts.len(), &text)
    }
}

/// Name and length in lines of each function.
pub fn functions(source: &Source) -> Vec<(String, usize)> {
    source.look().functions
}

/// Where the child modules of the file `name` live: beside `mod.rs`, `lib.rs` and `main.rs`,
/// below a folder of its name for every other.
fn children(name: &Path) -> PathBuf {
    let stem = name.with_extension("");
    if ["mod", "lib", "main"]
        .iter()
        .any(|root| stem.ends_with(root))
    {
        stem.parent().map(Path::to_owned).unwrap_or_default()
    } else {
        stem
    }
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    let entries = fs::read_dir(folder).expect("the sources can be listed");
    for entry in entries {
        let path = entry.expect("the sources can be listed").path();
        if path.is_dir() {
            walk(&path, files);
        } else if path.extension().is_some_and(|end| end == "rs") {
            files.push(path);
        }
    }
}

/// Walks the syntax and collects; whatever is only compiled for tests is passed over.
struct Look {
    depth: usize,
    module: String,
    paths: Vec<String>,
    calls: Vec<String>,
    functions: Vec<(String, usize)>,
}

impl Look {
    fn new(depth: usize, module: &str) -> Look {
        Look {
            depth,
            module: module.to_owned(),
            paths: Vec::new(),
            calls: Vec::new(),
            functions: Vec::new(),
        }
    }

    /// Notes a path, with `super::super::x` turned into `crate::x` where it leads that high.
    fn path(&mut self, parts: &[String]) {
        let ups = parts.iter().take_while(|part| *part == "super").count();
        let rest = &parts[ups..];
        let path = match ups {
            0 => parts.join("::"),
            _ if ups < self.depth => format!("crate::{}", self.module),
            _ => format!("crate::{}", rest.join("::")),
        };
        self.paths.push(path);
    }

    fn use_tree(&mut self, prefix: &[String], tree: &syn::UseTree) {
        let with = |name: &syn::Ident| {
            let mut path = prefix.to_vec();
            path.push(name.to_string());
            path
        };
        match tree {
            syn::UseTree::Path(path) => self.use_tree(&with(&path.ident), &path.tree),
            syn::UseTree::Name(name) if name.ident == "self" => self.path(prefix),
            syn::UseTree::Name(name) => self.path(&with(&name.ident)),
            syn::UseTree::Rename(name) => self.path(&with(&name.ident)),
            syn::UseTree::Glob(_) => self.path(prefix),
            syn::UseTree::Group(group) => {
                for tree in &group.items {
                    self.use_tree(prefix, tree);
                }
            }
        }
    }

    /// What stands inside a macro is only tokens: paths are read as `a::b::c`, calls as a
    /// name before `!` or after a dot.
    fn tokens(&mut self, tokens: TokenStream) {
        let mut path: Vec<String> = Vec::new();
        let mut colons = 0;
        let mut last = None;
        for token in tokens {
            match &token {
                TokenTree::Ident(name) => {
                    if colons != 2 {
                        self.end_of_path(&mut path);
                    }
                    path.push(name.to_string());
                    if last == Some('.') {
                        self.calls.push(name.to_string());
                    }
                    (colons, last) = (0, None);
                }
                TokenTree::Punct(mark) if mark.as_char() == ':' => {
                    colons += 1;
                    last = Some(':');
                }
                TokenTree::Punct(mark) => {
                    if mark.as_char() == '!' {
                        self.calls.extend(path.last().cloned());
                    }
                    self.end_of_path(&mut path);
                    (colons, last) = (0, Some(mark.as_char()));
                }
                TokenTree::Group(group) => {
                    self.end_of_path(&mut path);
                    self.tokens(group.stream());
                    (colons, last) = (0, None);
                }
                TokenTree::Literal(_) => {
                    self.end_of_path(&mut path);
                    (colons, last) = (0, None);
                }
            }
        }
        self.end_of_path(&mut path);
    }

    fn end_of_path(&mut self, path: &mut Vec<String>) {
        if path.len() > 1 {
            self.path(path);
        }
        path.clear();
    }

    fn function(&mut self, signature: &syn::Signature, whole: proc_macro2::Span) {
        let first = signature.span().start().line;
        let lines = whole.end().line + 1 - first;
        self.functions.push((signature.ident.to_string(), lines));
    }
}

impl<'ast> Visit<'ast> for Look {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        if !only_for_tests(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        self.depth += 1;
        visit::visit_item_mod(self, module);
        self.depth -= 1;
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.use_tree(&[], &item.tree);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let parts: Vec<String> = path
            .segments
            .iter()
            .map(|part| part.ident.to_string())
            .collect();
        self.path(&parts);
        visit::visit_path(self, path);
    }

    fn visit_visibility(&mut self, _: &'ast syn::Visibility) {
        // `pub(super)` names a module but uses nothing of it.
    }

    fn visit_macro(&mut self, called: &'ast syn::Macro) {
        let name = called.path.segments.last();
        self.calls.extend(name.map(|name| name.ident.to_string()));
        self.tokens(called.tokens.clone());
        visit::visit_macro(self, called);
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        self.calls.push(call.method.to_string());
        visit::visit_expr_method_call(self, call);
    }

    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.function(&function.sig, function.block.span());
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        if !only_for_tests(&function.attrs) {
            self.function(&function.sig, function.block.span());
            visit::visit_impl_item_fn(self, function);
        }
    }

    fn visit_trait_item_fn(&mut self, function: &'ast syn::TraitItemFn) {
        if let Some(block) = &function.default {
            self.function(&function.sig, block.span());
        }
        visit::visit_trait_item_fn(self, function);
    }
}

/// `#[cfg(test)]`, `#[cfg(all(test, …))]` or `#[test]`.
fn only_for_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let condition = attribute
            .meta
            .require_list()
            .map(|list| list.tokens.to_string());
        let cfg_test = attribute.path().is_ident("cfg")
            && condition.is_ok_and(|text| text == "test" || text.starts_with("all (test"));
        cfg_test || attribute.path().is_ident("test")
    })
}

fn attributes(item: &syn::Item) -> &[syn::Attribute] {
    use syn::Item;
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}
