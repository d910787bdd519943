#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""usage: generate.py SEED BLOCKS >program.S

Writes a random RV64IMAFDC program in assembly language: blocks of random instructions, each of which ends by storing
all registers behind the blocks before it. frame.S has what runs around the blocks. Registers x2 to x4 are the frame's
(x2: the data window, x3: its middle, x4: where the next registers go), x30 and x31 are the machine's network.
"""
import random
import struct
import sys

FREE = [1] + list(range(5, 30))
COMPRESSED = list(range(8, 16))
WINDOW = 4096

INTEGERS = [0, 1, 2, 3, 7, 8, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff,
            0x100000000, 0x7fffffffffffffff, 0x8000000000000000,
            0xffffffffffffffff, 0xffffffff80000000, 0xffffffff00000000,
            0x5555555555555555, 0xaaaaaaaaaaaaaaaa, 0x0123456789abcdef, 0x8000000000000001, 0xfffffffffffffffe]
DOUBLES = [0x0, 0x8000000000000000, 0x3ff0000000000000, 0xbff0000000000000, 0x7ff0000000000000, 0xfff0000000000000,
           0x7ff8000000000000, 0x7ff0000000000001, 0xfff8000000000123, 0xfff4000000000000, 0x1, 0x8000000000000001,
           0x000fffffffffffff, 0x0010000000000000, 0x8010000000000000, 0x7fefffffffffffff, 0xffefffffffffffff,
           0x3ff0000000000001, 0x3fefffffffffffff, 0x4000000000000000, 0x3fe0000000000000, 0x43e0000000000000,
           0xc3e0000000000000, 0x43dfffffffffffff, 0x43f0000000000000, 0x41dfffffffc00000, 0x41e0000000000000,
           0xc1e0000000200000, 0x41efffffffe00000, 0x3ca0000000000000, 0x36a0000000000000, 0x369fffffffffffff,
           0x380fffffe0000000, 0x3810000000000000, 0x47efffffe0000000, 0x47efffffefffffff, 0x47effffff0000000,
           0x400921fb54442d18, 0xbff8000000000000, 0x3ff8000000000000, 0x4004000000000000, 0x7fe0000000000000,
           0x1ff0000000000000, 0x2000000000000000, 0x5fe6a09e667f3bcd]
SINGLES = [0x0, 0x80000000, 0x3f800000, 0xbf800000, 0x7f800000, 0xff800000, 0x7fc00000, 0x7f800001, 0xffc00123,
           0xffa00000, 0x1, 0x80000001, 0x7fffff, 0x800000, 0x80800000, 0x7f7fffff, 0xff7fffff, 0x3f800001, 0x3f7fffff,
           0x40000000, 0x3f000000, 0x5f000000, 0xdf000000, 0x5effffff, 0x5f800000, 0x4f000000, 0x4effffff, 0xcf000000,
           0xcf000001, 0x4f7fffff, 0x4f800000, 0x33800000, 0x40490fdb, 0xbfc00000, 0x3fc00000, 0x40200000, 0x1fb504f3]

R3 = """add sub sll slt sltu xor srl sra or and addw subw sllw srlw sraw mul mulh mulhsu mulhu div divu rem remu mulw
        divw divuw remw remuw""".split()
I12 = "addi slti sltiu xori ori andi addiw".split()
SHIFT6 = "slli srli srai".split()
SHIFT5 = "slliw srliw sraiw".split()
LOADS = {"lb": 1, "lbu": 1, "lh": 2, "lhu": 2, "lw": 4, "lwu": 4, "ld": 8}
STORES = {"sb": 1, "sh": 2, "sw": 4, "sd": 8}
AMO = "amoswap amoadd amoxor amoand amoor amomin amomax amominu amomaxu".split()
BRANCHES = "beq bne blt bge bltu bgeu".split()
ROUND = ["rne", "rtz", "rdn", "rup", "rmm", "dyn"]
F_ROUND = {"fadd": 2, "fsub": 2, "fmul": 2, "fdiv": 2, "fsqrt": 1, "fmadd": 3, "fmsub": 3, "fnmadd": 3, "fnmsub": 3}
F_PLAIN = "fsgnj fsgnjn fsgnjx fmin fmax".split()
F_COMPARE = "feq flt fle".split()
C_ARITH = "c.and c.or c.xor c.sub c.addw c.subw".split()


class Program:
    def __init__(self, seed, blocks):
        self.random = random.Random(seed)
        self.blocks = blocks
        self.out = []
        self.label = 0
        self.kinds = [(f, w) for f, w in [
            (self.arithmetic, 30), (self.immediate, 20), (self.upper, 3), (self.load, 8), (self.store, 8),
            (self.float_round, 24), (self.float_plain, 8), (self.float_compare, 5), (self.float_convert, 10),
            (self.float_move, 4), (self.float_load, 5), (self.float_store, 4), (self.amo, 5), (self.reserve, 2),
            (self.skip, 5), (self.call, 2), (self.csr, 3), (self.rounding_mode, 2), (self.compressed, 14),
            (self.compressed_memory, 5), (self.word, 4), (self.half, 3), (self.trap, 1), (self.fence, 1),
            (self.constant, 6)]]
        self.functions = [f for f, _ in self.kinds]
        self.weights = [w for _, w in self.kinds]

    def say(self, text):
        self.out.append(text)

    def x(self):
        return self.random.choice(FREE)

    def source(self):
        return self.random.choice([0, 2, 3] + FREE * 2)

    def target(self):
        return self.random.choice([0] + FREE * 4)

    def f(self):
        return self.random.randrange(32)

    def pick(self, values):
        return self.random.choice(values)

    def integer(self):
        v = self.pick(INTEGERS) if self.random.random() < 0.6 else self.random.getrandbits(64)
        if self.random.random() < 0.2:
            v >>= self.random.randrange(64)
        return (v + self.pick([0, 0, 0, 1, -1])) & (1 << 64) - 1

    def new_label(self):
        self.label += 1
        return f".L{self.label}"

    # One kind of instruction each.
    def arithmetic(self):
        self.say(f"{self.pick(R3)} x{self.target()}, x{self.source()}, x{self.source()}")

    def immediate(self):
        kind = self.random.randrange(4)
        if kind == 0:
            self.say(f"{self.pick(SHIFT6)} x{self.target()}, x{self.source()}, {self.random.randrange(64)}")
        elif kind == 1:
            self.say(f"{self.pick(SHIFT5)} x{self.target()}, x{self.source()}, {self.random.randrange(32)}")
        else:
            imm = self.pick([-2048, -1, 0, 1, 2047, self.random.randrange(-2048, 2048)])
            self.say(f"{self.pick(I12)} x{self.target()}, x{self.source()}, {imm}")

    def upper(self):
        self.say(f"{self.pick(['lui', 'auipc'])} x{self.target()}, {self.random.randrange(1 << 20)}")

    def constant(self):
        if self.random.random() < 0.5:
            self.say(f"li x{self.x()}, {self.integer():#x}")
        else:
            self.say("la x9, constants")
            self.say(f"fld f{self.f()}, {8 * self.random.randrange(len(constants()))}(x9)")

    def place(self, size):
        """An address within the window, as an operand."""
        if self.random.random() < 0.3:
            return f"{size * self.random.randrange(2048 // size)}(x2)"
        return f"{size * self.random.randrange(-2048 // size, 2048 // size)}(x3)"

    def load(self):
        name, size = self.pick(list(LOADS.items()))
        self.say(f"{name} x{self.target()}, {self.place(size)}")

    def store(self):
        name, size = self.pick(list(STORES.items()))
        self.say(f"{name} x{self.source()}, {self.place(size)}")

    def float_load(self):
        name, size = self.pick([("flw", 4), ("fld", 8)])
        self.say(f"{name} f{self.f()}, {self.place(size)}")

    def float_store(self):
        name, size = self.pick([("fsw", 4), ("fsd", 8)])
        self.say(f"{name} f{self.f()}, {self.place(size)}")

    def float_round(self):
        name, operands = self.pick(list(F_ROUND.items()))
        regs = ", ".join(f"f{self.f()}" for _ in range(operands + 1))
        self.say(f"{name}.{self.pick('sd')} {regs}, {self.pick(ROUND)}")

    def float_plain(self):
        self.say(f"{self.pick(F_PLAIN)}.{self.pick('sd')} f{self.f()}, f{self.f()}, f{self.f()}")

    def float_compare(self):
        if self.random.random() < 0.2:
            self.say(f"fclass.{self.pick('sd')} x{self.target()}, f{self.f()}")
        else:
            self.say(f"{self.pick(F_COMPARE)}.{self.pick('sd')} x{self.target()}, f{self.f()}, f{self.f()}")

    def float_convert(self):
        kind, integer, fp = self.random.randrange(5), self.pick(["w", "wu", "l", "lu"]), self.pick("sd")
        rounding = "" if (integer in ("w", "wu") and fp == "d") else ", " + self.pick(ROUND)
        if kind < 2:
            self.say(f"fcvt.{integer}.{fp} x{self.target()}, f{self.f()}, {self.pick(ROUND)}")
        elif kind < 4:
            self.say(f"fcvt.{fp}.{integer} f{self.f()}, x{self.source()}{rounding}")
        elif self.random.random() < 0.6:
            self.say(f"fcvt.s.d f{self.f()}, f{self.f()}, {self.pick(ROUND)}")
        else:
            self.say(f"fcvt.d.s f{self.f()}, f{self.f()}")

    def float_move(self):
        if self.random.random() < 0.5:
            self.say(f"{self.pick(['fmv.x.w', 'fmv.x.d'])} x{self.target()}, f{self.f()}")
        else:
            self.say(f"{self.pick(['fmv.w.x', 'fmv.d.x'])} f{self.f()}, x{self.source()}")

    def amo(self):
        width, size = self.pick([("w", 4), ("d", 8)])
        order = self.pick(["", ".aq", ".rl", ".aqrl"])
        addr = self.pick([r for r in FREE])
        self.say(f"addi x{addr}, x3, {size * self.random.randrange(-2048 // size, 2048 // size)}")
        self.say(f"{self.pick(AMO)}.{width}{order} x{self.target()}, x{self.source()}, (x{addr})")

    def reserve(self):
        width, size = self.pick([("w", 4), ("d", 8)])
        addr = self.x()
        loaded = self.pick([r for r in FREE if r != addr])
        self.say(f"addi x{addr}, x3, {size * self.random.randrange(-2048 // size, 2048 // size)}")
        self.say(f"lr.{width}{self.pick(['', '.aq'])} x{loaded}, (x{addr})")
        self.say(f"sc.{width}{self.pick(['', '.rl'])} x{self.x()}, x{self.source()}, (x{addr})")
        if self.random.random() < 0.3:  # the reservation is gone
            self.say(f"addi x{addr}, x3, 0")
            self.say(f"sc.{width} x{self.x()}, x{self.source()}, (x{addr})")

    def skip(self):
        over = self.new_label()
        if self.random.random() < 0.2:
            self.say(f"{self.pick(['c.beqz', 'c.bnez'])} x{self.pick(COMPRESSED)}, {over}")
        elif self.random.random() < 0.1:
            self.say(f"{self.pick(['c.j', 'j'])} {over}")
        else:
            self.say(f"{self.pick(BRANCHES)} x{self.source()}, x{self.source()}, {over}")
        for _ in range(self.random.randrange(1, 4)):
            self.pick([self.arithmetic, self.immediate, self.float_round, self.compressed])()
        self.say(f"{over}:")

    def call(self):
        over, reg = self.new_label(), self.x()
        kind = self.random.randrange(4)
        if kind == 0:
            self.say(f"jal x{self.target()}, {over}")
        else:
            self.say(f"la x{reg}, {over}")
            self.say([f"jalr x{self.target()}, 0(x{reg})", f"c.jr x{reg}", f"c.jalr x{reg}"][kind - 1])
        self.arithmetic()
        self.say(f"{over}:")

    def csr(self):
        csr = self.pick(["mscratch", "mscratch", "mscratch", "fcsr", "fflags", "frm"])
        if self.random.random() < 0.5 and csr not in ("frm", "fcsr"):
            self.say(f"{self.pick(['csrrw', 'csrrs', 'csrrc'])} x{self.target()}, {csr}, x{self.source()}")
        else:
            value = self.random.randrange(5) if csr in ("frm", "fcsr") else self.random.randrange(32)
            name = self.pick(["csrrwi"] if csr in ("frm", "fcsr") else ["csrrwi", "csrrsi", "csrrci"])
            self.say(f"{name} x{self.target()}, {csr}, {value}")

    def rounding_mode(self):
        self.say(f"csrwi frm, {self.random.randrange(5)}")

    def compressed(self):
        kind, a, b = self.random.randrange(9), self.pick(COMPRESSED), self.pick(COMPRESSED)
        if kind < 3:
            self.say(f"{self.pick(C_ARITH)} x{a}, x{b}")
        elif kind == 3:
            self.say(f"c.addi x{self.x()}, {self.pick([-32, -1, 1, 31])}")
        elif kind == 4:
            self.say(f"c.addiw x{self.x()}, {self.random.randrange(-32, 32)}")
        elif kind == 5:
            self.say(f"c.li x{self.x()}, {self.random.randrange(-32, 32)}")
        elif kind == 6:
            self.say(f"{self.pick(['c.mv', 'c.add'])} x{self.x()}, x{self.x()}")
        elif kind == 7:
            self.say(f"{self.pick(['c.srli', 'c.srai', 'c.slli'])} x{a}, {self.random.randrange(1, 64)}")
        else:
            self.say(self.pick([f"c.andi x{a}, {self.random.randrange(-32, 32)}",
                                f"c.lui x{self.x()}, {self.pick([1, 31, 0xfffe0, 0xfffff])}",
                                f"c.addi4spn x{a}, x2, {4 * self.random.randrange(1, 256)}"]))

    def compressed_memory(self):
        kind, a = self.random.randrange(4), self.pick(COMPRESSED)
        if kind == 0:
            name, size = self.pick([("lw", 4), ("ld", 8)])
            self.say(f"c.{name}sp x{self.x()}, {size * self.random.randrange(64 if size == 4 else 64)}(x2)")
        elif kind == 1:
            name, size = self.pick([("sw", 4), ("sd", 8)])
            self.say(f"c.{name}sp x{self.x()}, {size * self.random.randrange(64)}(x2)")
        elif kind == 2:
            self.say(f"{self.pick(['c.fldsp', 'c.fsdsp'])} f{self.f()}, {8 * self.random.randrange(64)}(x2)")
        else:
            name, size = self.pick([("lw", 4), ("ld", 8), ("sw", 4), ("sd", 8), ("fld", 8), ("fsd", 8)])
            value = f"f{a}" if name[0] == "f" else f"x{self.pick(COMPRESSED)}"
            self.say(f"c.mv x{a}, x{self.pick([2, 3])}")
            self.say(f"c.{name} {value}, {size * self.random.randrange(32)}(x{a})")

    def word(self):
        """Any bits where arithmetic is encoded: illegal ones trap. funct7 0x2a has the machine's own instructions."""
        opcode, funct7 = self.pick([0x33, 0x3b, 0x13, 0x1b, 0x53, 0x53]), self.random.randrange(128)
        if self.random.random() < 0.6:
            funct7 = self.pick([0, 0x20, 1, 0x2c, 0x2d, 0x50, 0x51, 0x60, 0x61, 0x68, 0x69, 0x70, 0x71, 0x78, 0x79])
        if opcode == 0x33 and funct7 == 0x2a:
            funct7 = 0
        rs2 = self.pick([0, 1, 2, 3, 4, self.source()])
        word = funct7 << 25 | rs2 << 20 | self.x() << 15 | self.random.randrange(8) << 12 | self.target() << 7 | opcode
        self.say(f".4byte {word:#x}")

    def half(self):
        """Any bits of the compressed arithmetic."""
        a = self.pick(COMPRESSED)
        kind = self.pick([0x8001, 0x9c01, 0x9801, 0x8801])
        self.say(f".2byte {kind | self.random.getrandbits(13) & 0x7c | (a - 8) << 7:#x}")

    def trap(self):
        self.say(self.pick(["ecall", ".2byte 0", ".4byte 0xffffffff", ".4byte 0x0000007f", "csrr x5, 0xbff",
                            "csrw 0xc00, x5", ".4byte 0x02007033", ".2byte 0x4002", ".2byte 0x6081", ".2byte 0x9c41",
                            ".2byte 0x8002"]))

    def fence(self):
        self.say(self.pick(["fence", "fence.i", "fence rw, w", "fence.tso"]))

    # Blocks.
    def block(self, number):
        self.say(f"# block {number}")
        self.say("la x9, constants")
        for reg in self.random.sample(FREE, 5):
            if reg != 9:
                self.say(f"li x{reg}, {self.integer():#x}")
        for _ in range(8):
            self.say(f"fld f{self.f()}, {8 * self.random.randrange(len(constants()))}(x9)")
        self.say(f"csrwi frm, {self.random.randrange(5)}")
        again = None
        if self.random.random() < 0.4:
            again = self.new_label()
            self.say(f"li x1, {self.random.randrange(2, 30)}")
            self.say("sd x1, -8(x4)")
            self.say(f"{again}:")
        for _ in range(self.random.randrange(10, 50)):
            self.random.choices(self.functions, self.weights)[0]()
        if again:
            self.say("ld x1, -8(x4)")
            self.say("addi x1, x1, -1")
            self.say("sd x1, -8(x4)")
            self.say(f"bnez x1, {again}")
        self.say("call save")

    def write(self):
        for number in range(self.blocks):
            self.block(number)
        print(".option norelax\n.text\n.globl blocks\nblocks:")
        print("\n".join(self.out))
        print("j done\n.section .rodata\n.balign 8\n.globl constants\nconstants:")
        for value in constants():
            print(f".dword {value:#x}")
        print(f".bss\n.globl signature, signature_end, window\n.balign 64\nwindow: .space {WINDOW}\n.space 64")
        print(f"signature: .space {544 * self.blocks}\nsignature_end:")


def constants():
    """Operands of floating point: doubles, boxed singles, singles that are boxed wrongly; at most 256."""
    boxed = [0xffffffff00000000 | v for v in SINGLES]
    some = [struct.unpack("<Q", struct.pack("<d", v))[0] for v in (0.1, 1e300, -1e-300, 123456789.0, -7.5, 1e-310)]
    return DOUBLES + boxed + some + [0xfffffffe3f800000, 0x000000003f800000]


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__.splitlines()[0])
    Program(int(sys.argv[1]), int(sys.argv[2])).write()
