//! wasm-bindgen's CLI, unchanged: turns the module that rustc writes into one with JavaScript glue.
fn main() -> Result<(), Box<dyn std::error::Error>> {
    Ok(wasm_bindgen_cli::wasm_bindgen::run_cli_with_args(
        std::env::args_os(),
    )?)
}
