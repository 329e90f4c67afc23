//! `ivan man`: the manual pages.

use std::io::{self, Write};
use std::path::Path;

use clap_mangen::Man;

use super::help;

/// Prints the page of `ivan` itself.
pub fn print(out: &mut dyn Write) -> io::Result<()> {
    let mut command = help::command();
    command.build();
    Man::new(command).render(out)
}

/// Writes a page for each command into a folder, which is made if it is missing; returns their number.
pub fn write(folder: &Path) -> io::Result<usize> {
    std::fs::create_dir_all(folder)?;
    let mut command = help::command();
    command.build();
    write_all(&command, folder)
}

fn write_all(command: &clap::Command, folder: &Path) -> io::Result<usize> {
    let mut pages = 1;
    for action in command.get_subcommands() {
        if !action.is_hide_set() && action.get_name() != "help" {
            pages += write_all(action, folder)?;
        }
    }
    let man = Man::new(command.clone());
    let mut page = Vec::new();
    man.render(&mut page)?;
    std::fs::write(folder.join(man.get_filename()), page)?;
    Ok(pages)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page() {
        let folder = tempfile::tempdir().unwrap();
        let pages = write(&folder.path().join("man1")).unwrap();
        let written = std::fs::read_dir(folder.path().join("man1"))
            .unwrap()
            .count();
        assert_eq!(written, pages);
        let page =
            |name: &str| std::fs::read_to_string(folder.path().join("man1").join(name)).unwrap();
        assert!(page("ivan.1").contains("ivan"));
        let done = page("ivan-done.1");
        assert!(
            done.contains("shipped in 2.1") && !done.contains('\u{1b}'),
            "{done}"
        );
        assert!(page("ivan-token-new.1").contains("ivan token new"));
    }
}
