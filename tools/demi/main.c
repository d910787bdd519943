/* SPDX-License-Identifier: MIT */
/* demi: looks into running instances, into what a crash left, and at what a machine can do. */
#include "demi.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char program_name[] = "demi";

const struct command commands[] = {
    {"doctor", cmd_doctor, "[--json]", "which libOSes work on this machine, and what would mend the others",
     "  --json        one JSON object\n"
     "\n"
     "Exit code 0 when the libOS that a program started here would use (LIBOS, ENGINE, CONFIG_PATH) works.\n"},
    {"stat", cmd_stat, "[--pid N] [--all] [--watch [S]] [--json]", "counters of running instances",
     "  --pid N       every counter of the instances of process N\n"
     "  --all         every counter of every instance, and what crashed instances left\n"
     "  --watch [S]   again every S seconds (1), with rates\n"
     "  --count N     end after N times\n"
     "  --dir DIR     run directory (default: the setting run_dir; as root: everybody's)\n"
     "  --json        one JSON object, with --watch one a line\n"},
    {"trace", cmd_trace, "[FILE | --pid N | --list] [--follow] [--last N] [--json]",
     "the last events of an instance, living or crashed",
     "  FILE          a trace file; without any, the newest there is\n"
     "  --pid N       the instances of process N\n"
     "  --list        the trace files there are\n"
     "  --follow      go on with what happens next\n"
     "  --last N      only the last N events\n"
     "  --dir DIR     run directory (default: the setting run_dir; as root: everybody's)\n"
     "  --json        one JSON object a line: first the file, then its events\n"},
    {"pcap", cmd_pcap, "[--flows N] [--json] FILE", "what is in a capture: its flows, and what was dropped and why",
     "  FILE          a pcapng file, such as the setting pcap writes; - for what comes in\n"
     "  --flows N     only the N flows with the most bytes (20; with --json all)\n"
     "  --json        one JSON object\n"
     "\n"
     "PCAP=FILE in a program's environment captures what it receives and sends on catpowder, catnip, catnano, sim.\n"},
    {"xdp", cmd_xdp, "attach INTERFACE | detach --pin DIR [--user NAME] [--mode M]",
     "prepares an interface for programs that may not put XDP onto it",
     "  attach IF     puts our XDP program onto the interface; nothing is ours before a program asks for it\n"
     "  detach        takes it off again, whoever uses it\n"
     "  --pin DIR     where its maps are named, on a BPF file system: /sys/fs/bpf/NAME (needed)\n"
     "  --user NAME   who may use them (default: root)\n"
     "  --mode M      auto, native or generic: in the interface's driver, or behind it\n"
     "\n"
     "Programs use it with DRIVER=xdp DEVICE=IF XDP_MAP=DIR. What remains is CAP_NET_RAW, for their sockets, and\n"
     "locked memory (ulimit -l) for two times net_ring pages of 4 KiB.\n"},
    {"config", cmd_config, "[--json | --yaml]", "every setting: its value here, its default, what it takes",
     "  --json        one JSON object\n"
     "  --yaml        a commented file to start from; what differs from the default is set in it\n"},
    {"version", cmd_version, "", "the version", ""},
    {"help", cmd_help, "[COMMAND]", "this, or a command's options", ""},
};
const size_t command_count = ARRAY_LEN(commands);

bool option_seconds(const char *command, const char *option, const char *text, double *out)
{
    char *end;
    double value = strtod(text, &end);

    if (text[0] >= '0' && text[0] <= '9' && *end == '\0' && value >= 0.01 && value <= 86400) {
        *out = value;
        return true;
    }
    usage_error(command, "%s takes seconds from 0.01 to 86400, not \"%s\"", option, text);
    return false;
}

int settings_read(struct config *c, struct error_text *et)
{
    const char *path = getenv("CONFIG_PATH");
    int ret = 0;

    config_defaults(c);
    if (path != NULL && path[0] != '\0')
        ret = config_read_file(c, path, et);
    return ret == 0 ? config_read_env(c, et) : ret;
}

/*
 * A program finds modules beside the library it is linked to. demi has the library inside, so it looks where that lies
 * from here: in the build tree, and in a tree that was installed or moved.
 */
static void find_modules(void)
{
    static const char *const places[] = {"../src", "../lib/caracal", "../lib/x86_64-linux-gnu/caracal"};
    char self[4096], dir[sizeof(self) + 64], file[sizeof(dir) + 64];
    ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
    char *slash;

    if (len <= 0 || getenv("CARACAL_MODULES") != NULL)
        return;
    self[len] = '\0';
    slash = strrchr(self, '/');
    if (slash == NULL)
        return;
    *slash = '\0';
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        snprintf(dir, sizeof(dir), "%s/%s", self, places[i]);
        snprintf(file, sizeof(file), "%s/caracal-uring.so", dir);
        if (access(file, R_OK) == 0) {
            setenv("CARACAL_MODULES", dir, 1);
            return;
        }
    }
}

int main(int argc, char **argv)
{
    find_modules();
    return command_main(argc, argv);
}
