/* SPDX-License-Identifier: MIT */
/* The one list of configuration keys: type(name, default, ..., help). Enumerations are words joined by '|', from 0. */
#ifndef CORE_CONFIG_KEYS_H
#define CORE_CONFIG_KEYS_H

enum idle_mode { IDLE_SPIN, IDLE_ADAPTIVE, IDLE_BLOCK };
enum engine_kind { ENGINE_EPOLL, ENGINE_URING };
enum transport_kind { TRANSPORT_NDP, TRANSPORT_HOMA };
enum neighbours_kind { NEIGHBOURS_ARP, NEIGHBOURS_NANOPU };
enum xdp_mode { XDP_AUTO, XDP_NATIVE, XDP_GENERIC };

/* clang-format off */
#define CONFIG_KEYS(UINT, BOOL, ENUM, STR)                                                                             \
    ENUM(idle, IDLE_ADAPTIVE, "spin|adaptive|block", "what a wait does while nothing is ready")                        \
    UINT(spin_us, 50, 0, 1000000, "idle: adaptive: microseconds of spinning before sleeping")                          \
    ENUM(engine, ENGINE_EPOLL, "epoll|uring", "catnap: how the kernel's sockets are driven")                           \
    UINT(max_queues, 65536, 16, 1048576, "queues an instance can have open at once")                                   \
    UINT(max_operations, 131072, 64, 1048576, "operations that can be outstanding at once")                            \
    UINT(memory_limit, 4294967296, 16777216, 1099511627776, "bytes of buffer memory an instance may use")              \
    UINT(sga_limit, 67108864, 4096, 1073741824, "bytes of the largest allocation or push")                             \
    UINT(zero_copy_threshold, 1024, 0, 1073741824, "bytes from which a push goes by reference and not by copy")        \
    UINT(queue_depth, 1024, 1, 1048576, "messages an in-memory queue holds before a push waits")                       \
    BOOL(tsc, true, "take time from the time-stamp counter where it is invariant")                                     \
    BOOL(trace, true, "keep the binary trace ring")                                                                    \
    UINT(trace_records, 65536, 1024, 16777216, "records the trace ring holds; rounded up to a power of two")           \
    BOOL(trace_keep, false, "leave the trace file behind after a clean end, as after a crash")                         \
    BOOL(stat, true, "publish counters for demi stat")                                                                 \
    STR(run_dir, "", "directory of counter pages and trace rings; empty: /dev/shm/caracal-UID")                        \
    UINT(uring_entries, 1024, 16, 32768, "catnap, uring: submission ring entries")                                     \
    UINT(catmem_ring, 65536, 4096, 16777216, "catmem: bytes of each direction's ring of a connection")                 \
    STR(catmem_address, "127.0.0.0/8,::1", "catmem beside a network libOS: addresses whose streams are catmem's")     \
    STR(driver, "", "catpowder: what carries the frames (packet ...); empty: packet")                                  \
    STR(device, "", "catpowder: the interface the driver stands on, or the ring's file; empty: none")                  \
    STR(net_address, "", "our addresses, as in 10.0.0.2/24, fd00::2/64; empty: the interface's")                       \
    BOOL(net_shared, false, "packet: share the interface's addresses; a rule drops the kernel's copies")               \
    STR(net_gateway, "", "gateways for what is not on the link, one a family; empty: none, or the kernel's")           \
    STR(net_mac, "", "our link address; empty: the driver's choice")                                                   \
    UINT(net_mtu, 0, 0, 9000, "bytes of the largest packet; 0: what the device takes")                                 \
    UINT(net_vlan, 0, 0, 4094, "802.1Q tag of our frames; 0: none")                                                    \
    UINT(net_ring, 0, 0, 65536, "frames the device's rings hold each way; 0: the driver's choice")                     \
    UINT(net_queues, 1, 1, 16, "queues of the device, one for each instance of the process")                           \
    STR(eal, "", "catnip: arguments of DPDK's EAL, as --no-huge --vdev net_tap0; empty: none")                         \
    BOOL(net_offload, true, "leave checksums and segmentation to the device where it offers to")                       \
    STR(xdp_map, "", "xdp: pins of a program that is there already (demi xdp attach); empty: our own program")         \
    UINT(xdp_busy_us, 0, 0, 1000000, "xdp: microseconds of the kernel's busy polling a call; 0: its interrupts work")  \
    UINT(net_queue, 0, 0, 63, "xdp: the queue of the interface that is ours, or the first of them")                    \
    ENUM(xdp_mode, XDP_AUTO, "auto|native|generic", "xdp: where frames are taken: in the driver, or behind it")        \
    ENUM(msg_neighbours, NEIGHBOURS_ARP, "arp|nanopu", "catnano: link addresses by ARP, or by the machine's rule")     \
    ENUM(msg_transport, TRANSPORT_NDP, "ndp|homa", "catnano: how messages are sent")                                   \
    UINT(msg_protocol, 0, 0, 254, "catnano: IP protocol number of the transport; 0: NDP 153, Homa 154")                \
    UINT(msg_bytes, 65535, 1, 65535, "catnano: bytes of the longest message that is sent")                             \
    UINT(msg_rtt_packets, 8, 1, 64, "catnano: packets of a message that are sent unasked")                             \
    UINT(msg_window, 64, 1, 128, "catnano: messages on their way to one host at once")                                 \
    UINT(msg_buffers, 1024, 16, 32768, "catnano: messages on their way at once, each way")                             \
    UINT(msg_timeout_us, 2000, 100, 10000000, "catnano: microseconds until packets are sent again, at first")          \
    UINT(msg_give_up_ms, 5000, 10, 600000, "catnano: milliseconds of silence until a message is given up")             \
    UINT(sim_seed, 1, 0, 9223372036854775807, "sim: what all chance of the simulated network comes from")              \
    UINT(sim_hosts, 2, 1, 8, "sim: hosts in the network, 10.0.0.1 and so on; a client and its server are on two")      \
    UINT(sim_mtu, 1500, 576, 9000, "sim: bytes of the largest packet")                                                 \
    UINT(sim_delay_us, 50, 0, 10000000, "sim: microseconds from host to host")                                         \
    UINT(sim_jitter_us, 0, 0, 10000000, "sim: and at random up to so many more")                                       \
    UINT(sim_rate_mbps, 0, 0, 1000000, "sim: megabits a second a host can send; 0: no limit")                          \
    UINT(sim_loss, 0, 0, 1000000, "sim: frames of a million that are lost")                                            \
    UINT(sim_duplicate, 0, 0, 1000000, "sim: frames of a million that arrive twice")                                   \
    UINT(sim_reorder, 0, 0, 1000000, "sim: frames of a million that are overtaken by later ones")                      \
    UINT(sim_corrupt, 0, 0, 1000000, "sim: frames of a million with an inverted bit")                                  \
    STR(pcap, "", "libOSes on frame devices: pcapng file that frames are written to; empty: none")                     \
    UINT(pcap_limit, 1073741824, 65536, 1099511627776, "bytes of that file at most; what does not fit is counted")
/* clang-format on */

#endif /* CORE_CONFIG_KEYS_H */
