//! `loadgen man`: the manual page, made from the same definitions as `--help`.

use clap::CommandFactory;

use super::{Cli, Exit, Failure, print_out};

/// Prints the manual page of the program, followed by those of its subcommands.
pub fn man() -> Result<Exit, Failure> {
    let mut command = Cli::command();
    command.build();
    let mut page = Vec::new();
    let render = |command: &clap::Command, page: &mut Vec<u8>| {
        clap_mangen::Man::new(command.clone()).render(page).expect("writing to memory cannot fail");
    };
    render(&command, &mut page);
    for subcommand in command.get_subcommands().filter(|command| command.get_name() != "help") {
        render(subcommand, &mut page);
    }
    print_out(&String::from_utf8_lossy(&page))
}
