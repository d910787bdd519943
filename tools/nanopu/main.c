/* SPDX-License-Identifier: MIT */
/* nanopu: runs the simulated machine and shows what is in it. */
#include "nanopu.h"

const char program_name[] = "nanopu";

const struct command commands[] = {
    {"bench", cmd_bench, "[OPTION]... [NAME]... | all", "the published evaluation again, beside its figures",
     "  --quick       fewer requests, two seeds\n"
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
     "socket:127.0.0.1:PORT, tap:NAME, ring:FILE\n"
     "  --hash N          print a hash of the state every N cycles\n"
     "  --pcap FILE       all packets as pcapng, an interface a host (share/wireshark/nanopu.lua dissects them)\n"
     "  --perfetto FILE   messages, cores and queues as a trace for ui.perfetto.dev\n"
     "  --messages FILE   each message that a host received as CSV, with its first and its last cycle\n"
     "  --stats FORMAT    json or text: counters after the run; json is the last line of stdout\n"
     "  --trace FILE      each instruction with what it wrote; several hosts: FILE.HOST\n"
     "  --konata FILE     the pipeline of the first host's first hart, for the viewer Konata\n"
     "  --gdb PORT        wait on 127.0.0.1 for a debugger: gdb-multiarch PROGRAM -ex 'target remote :PORT'\n"
     "  --quiet           no progress line, no report of what ended the run but failures\n"
     "\n"
     "A guest's arguments are its path, its MAC and IP addresses, then ARGs. The exit code is the guest's; with "
     "several\n"
     "hosts the first that is not 0; 1 when a host failed or the limit of cycles was reached, 2 for wrong usage.\n"},
    {"topo", cmd_topo, "[--json | --dot] FILE", "checks a topology file and draws what it means",
     "  --json        one JSON object, with every parameter of every node\n"
     "  --dot         for Graphviz\n"},
    {"dis", cmd_dis, "FILE [FUNCTION]", "a program's code as text", ""},
    {"params", cmd_params, "[--json]", "the machine's parameters: both profiles' values, bounds, help",
     "  --json        one JSON object\n"},
    {"version", cmd_version, "", "the version", ""},
    {"help", cmd_help, "[COMMAND]", "this, or a command's options", ""},
};
const size_t command_count = ARRAY_LEN(commands);

int main(int argc, char **argv)
{
    return command_main(argc, argv);
}
