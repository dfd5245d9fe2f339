"""Composition root: the first word chooses the command, and only that command's module is imported."""

import importlib
import sys

from streamforge import errors

PEOPLE = {
    "check": "DIR                  say every fault of a configuration",
    "apply": "DIR                  make a configuration the one in force",
    "sample": "[KIND]               print a commented configuration to start from",
    "status": "[--json]             how the gateway is",
    "secret": "set NAME | list      passwords and keys of the units",
    "probe": "PROTOCOL ...         look at a machine before it is configured",
    "tail": "TOPIC [-n N]         follow what passes through a topic",
    "ledger": "[--since] [--asset]   read = delivered + waiting + rejected + evicted",
    "rescue": "DIR                  take the records from a pulled disk",
    "opcua": "trust [FINGERPRINT]  which OPC UA servers are trusted",
    "bench": "chain ...            measure the chain on this machine",
    "xbee": "nodes|get PORT       what there is behind an XBee module",
    "adapter": "new NAME             the six files of a new adapter, in a checkout",
    "sim": "[--faults]           a simulated plant to read from",
}
SERVICES = {
    "adapter": "KIND INSTANCE        read a protocol",
    "transform": "NAME                 turn topics into topics",
    "sink": "KIND INSTANCE        deliver to a target",
    "web": "                     the local page",
    "kafka": "                     the broker's supervisor",
    "syncd": "                     what is written is on the disk half a second later",
    "overflow": "                     keep the log within its disk budget",
    "doctor": "                     repairs the broker's files before it starts",
    "topics": "                     bring topics and rights to the table",
    "reconcile": "                     say what a cut of the log has cost",
    "events": "                     send the events that waited for the broker",
    "firstboot": "                     passwords, certificate, identity",
}


def main() -> int:
    """Run the command of the command line; its exit code."""
    words = sys.argv[1:]
    name = words[0] if words else "--help"
    if name in ("-h", "--help", "help"):
        print(usage())
        return 0
    if name not in PEOPLE | SERVICES:
        print(f"streamforge: no command '{name}'\n\n{usage()}", file=sys.stderr)
        return 2
    try:
        code: int = importlib.import_module(f"streamforge.cli.{name}").run(words[1:])
    except errors.StreamForgeError as error:
        print(f"streamforge {name}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # `streamforge tail ... | head`
        sys.stderr.close()
        return 0
    return code


def usage() -> str:
    """All commands, a line each."""
    lines = ["usage: streamforge COMMAND ...", "", "for people:"]
    lines += [f"  {name:<10} {text}" for name, text in PEOPLE.items()]
    lines += ["", "run by systemd:"]
    lines += [f"  {name:<10} {text}" for name, text in SERVICES.items()]
    return "\n".join([*lines, "", "streamforge COMMAND --help says more."])


if __name__ == "__main__":
    sys.exit(main())
