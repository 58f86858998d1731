//! Rebuilds when a migration is added: the embedding macro alone would not notice a new folder.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
