"""Node-RED from npm, with a flow that does what the do-it-yourself relay does."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.peers import DIY_TEMPLATE
from bench.programs import HOST, Program, free_port, program

PACKAGE = "node-red@4.1.15"
SETTINGS = """module.exports = {
  uiHost: "127.0.0.1", httpAdminRoot: false, disableEditor: true, flowFile: "flows.json", credentialSecret: false,
  telemetry: { enabled: false, updateNotification: false }, logging: { console: { level: "error" } },
  runtimeState: { enabled: false }
}
"""


def flow(receiver: str) -> list[dict[str, Any]]:
    """http in → JSONata → http request → http response."""
    here = {"z": "flow"}
    # In a change node `$` is the message, and the body is its payload.
    rules = [
        {"t": "set", "p": "payload", "pt": "msg", "to": f"payload.({DIY_TEMPLATE})", "tot": "jsonata"},
        {"t": "set", "p": "headers", "pt": "msg", "to": "{}", "tot": "json"},
    ]
    return [
        {"id": "flow", "type": "tab", "label": "relay"},
        here | {"id": "in", "type": "http in", "url": "/webhooks/elasticpath", "method": "post", "wires": [["render"]]},
        here | {"id": "render", "type": "change", "rules": rules, "wires": [["send"]]},
        here
        | {"id": "send", "type": "http request", "method": "POST", "ret": "txt", "paytoqs": "ignore"}
        | {"url": f"{receiver}/v1/track", "persist": True, "wires": [["answer"]]},
        here | {"id": "answer", "type": "http response", "statusCode": "200", "wires": []},
        here | {"id": "ready", "type": "http in", "url": "/ready", "method": "get", "wires": [["answer"]]},
    ]


@dataclass(frozen=True)
class NodeRed:
    node: str
    folder: Path
    """Where npm installed it."""

    @classmethod
    def installed(cls, folder: Path) -> NodeRed | None:
        """None, and a line that says why, when there is no Node or npm cannot get it."""
        node, npm = shutil.which("node"), shutil.which("npm")
        if node is None or npm is None:
            print("SKIPPED: Node-RED: there is no Node with npm here.", file=sys.stderr)
            return None
        home = folder / "node-red"
        if not (home / "node_modules" / "node-red").exists():
            install = [npm, "install", "--prefix", str(home), "--no-audit", "--no-fund", "--silent", PACKAGE]
            home.mkdir(exist_ok=True)
            if subprocess.run(install, capture_output=True, check=False).returncode:
                print(f"SKIPPED: Node-RED: npm could not install {PACKAGE}.", file=sys.stderr)
                return None
        return cls(node, home)

    @contextmanager
    def running(self, receiver: str, folder: Path) -> Iterator[Program]:
        (folder / "settings.js").write_text(SETTINGS)
        (folder / "flows.json").write_text(json.dumps(flow(receiver)))
        port = free_port()
        red = self.folder / "node_modules" / "node-red" / "red.js"
        command = [self.node, red, "--userDir", folder, "--settings", folder / "settings.js", "--port", str(port)]
        with program(command, port, "/ready", {"NODE_ENV": "production"}) as running:
            assert HOST in running.url
            yield running
