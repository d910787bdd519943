/* SPDX-License-Identifier: MIT */
/* nanopu: runs the simulated machine and shows what is in it. */
#include "nanopu.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *args;
    const char *what; /* one line */
    const char *help; /* the options */
};

static const struct command commands[] = {
    {"bench", cmd_bench, "[OPTION]... [NAME]... | all", "the published evaluation again, beside its figures",
     "  --quick       a fifth of the requests, one seed\n"
     "  --seeds N     seeds of random numbers; the median of them counts (5)\n"
     "  --seed N      the first of them (1)\n"
     "  --jobs N      simulations at a time (one a processor)\n"
     "  --out DIR     where to work; runs that are done there are not run again (build/evaluation)\n"
     "  --slurm       write a job array instead of running\n"
     "\n"
     "Without a name it lists the experiments. The report is report.html, the errors errors.csv in DIR.\n"},
    {"cc", cmd_cc, "[--cores N] [OPTION | FILE]... [-o PROG]", "compiles a guest program with the cross compiler",
     "  --cores N     harts that the program runs on (4)\n"
     "\n"
     "Everything else is the compiler's (riscv64-unknown-elf-gcc); -O2 unless told otherwise. The runtime is found\n"
     "beside this command, or where NANOPU_SDK says.\n"},
    {"info", cmd_info, "FILE", "what a program is, what it uses of the machine, and if it would run",
     "Exit code 0 when nothing speaks against running it.\n"},
    {"run", cmd_run, "[OPTION]... [--] [PROGRAM [ARG]...]", "runs programs on simulated hosts",
     "  --hosts N         hosts, all at one switch, that run PROGRAM (1)\n"
     "  --topology FILE   hosts, switches and links from a file; PROGRAM is for hosts that name none\n"
     "  --cores N         harts of each host (4)\n"
     "  --profile NAME    osdi21 or homa: values of all parameters (osdi21)\n"
     "  --set KEY=VALUE   one parameter, on all nodes; `nanopu params` lists them\n"
     "  --timing on|off   cycle-level timing, or one cycle an instruction\n"
     "  --threads N       threads of this machine to run on (1); the result does not depend on it\n"
     "  --cycles N        end after N cycles at the latest; k, M and G may follow\n"
     "  --input FILE      what guests read from descriptor 0\n"
     "  --port WHAT       a way out of the machine, with the address 10.0.0.1: script:FILE, load:KEY=VALUE,..., "
     "socket:127.0.0.1:PORT, tap:NAME\n"
     "  --hash N          print a hash of the state every N cycles\n"
     "  --pcap FILE       all packets as pcapng, an interface a host (share/wireshark/nanopu.lua dissects them)\n"
     "  --perfetto FILE   messages, cores and queues as a trace for ui.perfetto.dev\n"
     "  --stats FORMAT    json or text: counters after the run; json is the last line of stdout\n"
     "  --trace FILE      each instruction with what it wrote; several hosts: FILE.HOST\n"
     "  --konata FILE     the pipeline of the first host's first hart, for the viewer Konata\n"
     "  --gdb PORT        wait on 127.0.0.1 for a debugger: gdb-multiarch PROGRAM -ex 'target remote :PORT'\n"
     "  --quiet           no progress line, no report of what ended the run but failures\n"
     "\n"
     "A guest's arguments are its path, its MAC and IP addresses, then ARGs. The exit code is the guest's; with "
     "several\n"
     "hosts the first that is not 0; 1 when a host failed or the limit of cycles was reached, 2 for wrong usage.\n"},
    {"topo", cmd_topo, "FILE [--json | --dot]", "checks a topology file and draws what it means",
     "  --json        one JSON object, with every parameter of every node\n"
     "  --dot         for Graphviz\n"},
    {"dis", cmd_dis, "FILE [FUNCTION]", "a program's code as text", ""},
    {"params", cmd_params, "[--json]", "the machine's parameters: both profiles' values, bounds, help",
     "  --json        one JSON object\n"},
    {"version", cmd_version, "", "the version", ""},
    {"help", cmd_help, "[COMMAND]", "this, or a command's options", ""},
};

static const struct command *find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    }
    return NULL;
}

static void print_overview(FILE *out)
{
    fprintf(out, "usage: nanopu COMMAND [OPTIONS]\n\n");
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        fprintf(out, "  %-9s %s\n", commands[i].name, commands[i].what);
    fprintf(out, "\n`nanopu help COMMAND` tells a command's options.\n");
}

void print_help(const char *command)
{
    const struct command *c = find(command);

    assert(c != NULL);
    printf("usage: nanopu %s%s%s\n%s\n", c->name, c->args[0] != '\0' ? " " : "", c->args, c->what);
    if (c->help[0] != '\0')
        printf("\n%s", c->help);
}

int usage_error(const char *command, const char *fmt, ...)
{
    const struct command *c = find(command);
    va_list ap;

    fprintf(stderr, "nanopu %s: ", command);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fprintf(stderr, "\nusage: nanopu %s %s\n", command, c != NULL ? c->args : "");
    return NANOPU_USAGE;
}

int fail(const char *fmt, ...)
{
    va_list ap;

    fprintf(stderr, "nanopu: ");
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fprintf(stderr, "\n");
    return NANOPU_FAIL;
}

int cmd_version(int argc, char **argv)
{
    if (argc > 1)
        return usage_error("version", "unexpected argument \"%s\"", argv[1]);
    printf("nanopu %s\n", CARACAL_VERSION);
    return NANOPU_OK;
}

int cmd_help(int argc, char **argv)
{
    if (argc > 2)
        return usage_error("help", "unexpected argument \"%s\"", argv[2]);
    if (argc < 2) {
        print_overview(stdout);
        return NANOPU_OK;
    }
    if (find(argv[1]) == NULL)
        return usage_error("help", "there is no command \"%s\"", argv[1]);
    print_help(argv[1]);
    return NANOPU_OK;
}

static int run_command(int argc, char **argv)
{
    const struct command *c;

    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
        return cmd_help(1, argv);
    if (strcmp(argv[1], "--version") == 0)
        return cmd_version(1, argv);
    c = find(argv[1]);
    if (c == NULL) {
        fprintf(stderr, "nanopu: there is no command \"%s\"\n", argv[1]);
        print_overview(stderr);
        return NANOPU_USAGE;
    }
    if (argc == 3 && (strcmp(argv[2], "--help") == 0 || strcmp(argv[2], "-h") == 0)) {
        print_help(c->name);
        return NANOPU_OK;
    }
    return c->run(argc - 1, argv + 1);
}

int main(int argc, char **argv)
{
    int code;

    if (argc < 2) {
        print_overview(stderr);
        return NANOPU_USAGE;
    }
    code = run_command(argc, argv);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "nanopu: the output could not be written\n");
        return code != NANOPU_OK ? code : NANOPU_FAIL;
    }
    return code;
}
