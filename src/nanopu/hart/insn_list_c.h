/* SPDX-License-Identifier: MIT */
/*
 * The compressed instructions, in the order in which they are tried. Whoever includes this defines before
 *   C(id, text, mask, match, operands, registers, never, base)
 * operands   as they are printed; letters as in insn.c
 * registers  rd, rs1 and rs2 of the instruction it stands for: d the field of bits 11:7, t of 6:2, y of 9:7 (x8 to
 * x15), z of 4:2; D T Z the same as floating-point registers; 0 1 2 those of that number; - none never      a reserved
 * encoding: i with an immediate of 0, d and t with register 0 there base       the instruction it stands for, of
 * insn_list.h The file is included several times and has no guard.
 */
/* clang-format off */
C(c_addi4spn, "c.addi4spn", 0xe003, 0x0000, "z,2,n",  "z2-", 'i', addi)
C(c_fld,      "c.fld",      0xe003, 0x2000, "Z,K(y)", "Zy-", 0,   fld)
C(c_lw,       "c.lw",       0xe003, 0x4000, "z,l(y)", "zy-", 0,   lw)
C(c_ld,       "c.ld",       0xe003, 0x6000, "z,K(y)", "zy-", 0,   ld)
C(c_fsd,      "c.fsd",      0xe003, 0xa000, "Z,K(y)", "-yZ", 0,   fsd)
C(c_sw,       "c.sw",       0xe003, 0xc000, "z,l(y)", "-yz", 0,   sw)
C(c_sd,       "c.sd",       0xe003, 0xe000, "z,K(y)", "-yz", 0,   sd)
C(c_nop,      "c.nop",      0xffff, 0x0001, "",       "00-", 0,   addi)
C(c_addi,     "c.addi",     0xe003, 0x0001, "d,I",    "dd-", 0,   addi)
C(c_addiw,    "c.addiw",    0xe003, 0x2001, "d,I",    "dd-", 'd', addiw)
C(c_li,       "c.li",       0xe003, 0x4001, "d,I",    "d0-", 0,   addi)
C(c_addi16sp, "c.addi16sp", 0xef83, 0x6101, "2,N",    "22-", 'i', addi)
C(c_lui,      "c.lui",      0xe003, 0x6001, "d,L",    "d--", 'i', lui)
C(c_srli,     "c.srli",     0xec03, 0x8001, "y,H",    "yy-", 0,   srli)
C(c_srai,     "c.srai",     0xec03, 0x8401, "y,H",    "yy-", 0,   srai)
C(c_andi,     "c.andi",     0xec03, 0x8801, "y,I",    "yy-", 0,   andi)
C(c_sub,      "c.sub",      0xfc63, 0x8c01, "y,z",    "yyz", 0,   sub)
C(c_xor,      "c.xor",      0xfc63, 0x8c21, "y,z",    "yyz", 0,   xor)
C(c_or,       "c.or",       0xfc63, 0x8c41, "y,z",    "yyz", 0,   or)
C(c_and,      "c.and",      0xfc63, 0x8c61, "y,z",    "yyz", 0,   and)
C(c_subw,     "c.subw",     0xfc63, 0x9c01, "y,z",    "yyz", 0,   subw)
C(c_addw,     "c.addw",     0xfc63, 0x9c21, "y,z",    "yyz", 0,   addw)
C(c_j,        "c.j",        0xe003, 0xa001, "A",      "0--", 0,   jal)
C(c_beqz,     "c.beqz",     0xe003, 0xc001, "y,B",    "-y0", 0,   beq)
C(c_bnez,     "c.bnez",     0xe003, 0xe001, "y,B",    "-y0", 0,   bne)
C(c_slli,     "c.slli",     0xe003, 0x0002, "d,H",    "dd-", 0,   slli)
C(c_fldsp,    "c.fldsp",    0xe003, 0x2002, "D,w(2)", "D2-", 0,   fld)
C(c_lwsp,     "c.lwsp",     0xe003, 0x4002, "d,v(2)", "d2-", 'd', lw)
C(c_ldsp,     "c.ldsp",     0xe003, 0x6002, "d,w(2)", "d2-", 'd', ld)
C(c_jr,       "c.jr",       0xf07f, 0x8002, "d",      "0d-", 'd', jalr)
C(c_mv,       "c.mv",       0xf003, 0x8002, "d,t",    "d0t", 't', add)
C(c_ebreak,   "c.ebreak",   0xffff, 0x9002, "",       "---", 0,   ebreak)
C(c_jalr,     "c.jalr",     0xf07f, 0x9002, "d",      "1d-", 'd', jalr)
C(c_add,      "c.add",      0xf003, 0x9002, "d,t",    "ddt", 0,   add)
C(c_fsdsp,    "c.fsdsp",    0xe003, 0xa002, "T,W(2)", "-2T", 0,   fsd)
C(c_swsp,     "c.swsp",     0xe003, 0xc002, "t,V(2)", "-2t", 0,   sw)
C(c_sdsp,     "c.sdsp",     0xe003, 0xe002, "t,W(2)", "-2t", 0,   sd)
/* clang-format on */
