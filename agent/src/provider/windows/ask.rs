//! Asks Windows. **Not run here**: no test of this repository starts these programs; what they print is read by tested code.

use super::Said;
use crate::command::{CommandLine, Runner};
use std::time::Duration;

/// A program that only reads has so long; `systeminfo` takes half a minute on old machines.
const LIMIT: Duration = Duration::from_secs(120);
/// Longest output, bytes.
const MAX_BYTES: usize = 32 << 20;

const VERSION: &str = r"HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion";
const UNINSTALL: [&str; 2] = [
    r"HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Uninstall",
    r"HKLM\SOFTWARE\WOW6432Node\Microsoft\Windows\CurrentVersion\Uninstall",
];
/// winget writes into a file only.
const WINGET: &str = "$f = New-TemporaryFile; winget export --output $f --include-versions --accept-source-agreements \
     --disable-interactivity | Out-Null; Get-Content -Raw $f; Remove-Item $f";

/// The Windows Update Agent's own knowledge, without asking any server. A list of one is a list, too.
const UPDATES: &str = "$s = (New-Object -ComObject Microsoft.Update.Session).CreateUpdateSearcher(); $s.Online = $false; \
     $u = @($s.Search('IsInstalled=1').Updates | ForEach-Object { @{ Title = $_.Title; KBArticleIDs = @($_.KBArticleIDs); \
     RebootRequired = $_.RebootRequired; MsrcSeverity = $_.MsrcSeverity } }); ConvertTo-Json -Compress -InputObject $u";

/// Everything that there is to know.
pub(super) async fn windows(runner: &Runner) -> Said {
    let mut uninstall = Ok(String::new());
    for key in UNINSTALL {
        match (
            printed(runner, "reg.exe", &["query", key, "/s"]).await,
            &mut uninstall,
        ) {
            (Ok(more), Ok(all)) => all.push_str(&more),
            (Err(reason), Ok(_)) => uninstall = Err(reason),
            (_, Err(_)) => {}
        }
    }
    Said {
        version: printed(runner, "reg.exe", &["query", VERSION]).await,
        systeminfo: printed(runner, "systeminfo.exe", &[]).await,
        uninstall,
        winget: printed(
            runner,
            "powershell.exe",
            &["-NoProfile", "-NonInteractive", "-Command", WINGET],
        )
        .await,
        updates: printed(
            runner,
            "powershell.exe",
            &["-NoProfile", "-NonInteractive", "-Command", UPDATES],
        )
        .await,
    }
}

async fn printed(runner: &Runner, program: &str, arguments: &[&str]) -> Result<String, String> {
    let command = CommandLine::new(program, arguments.iter().copied());
    let output = runner.run(&command, LIMIT).await;
    let output = output.map_err(|failure| failure.to_string())?;
    if !output.ok() {
        return Err(format!("{program} ends with {:?}", output.code));
    }
    if output.stdout.len() > MAX_BYTES {
        return Err(format!("{program} prints more than {MAX_BYTES} bytes"));
    }
    Ok(output.stdout)
}
