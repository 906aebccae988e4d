//! wasm-pack without its own update check, which asks the network at every start.
use clap::Parser;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let cli = wasm_pack::Cli::parse();
    wasm_pack::PBAR.set_log_level(cli.log_level);
    if cli.quiet {
        wasm_pack::PBAR.set_quiet(true);
    }
    Ok(wasm_pack::command::run_wasm_pack(cli.cmd)?)
}
