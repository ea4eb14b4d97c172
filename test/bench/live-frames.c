/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Has the kernel itself make the frames and receive them on the router's own device: a test run of an XDP program with "live
 * frames" (BPF_F_TEST_XDP_LIVE_FRAMES, Documentation/bpf/bpf_prog_run.rst). The kernel takes pages from a pool, runs the
 * program over them as a driver would, and hands what passes to the stack in batches as large as a driver's poll. So a packet
 * costs about what a good network card's driver costs, and no copy, no system call, no veth pair.
 *
 * Pages come back to the pool as the router left them (other MACs, a smaller TTL, perhaps another destination), so the program
 * writes all headers each time. They are short enough for it to be assembled here by hand, which needs no compiler.
 */
#define _GNU_SOURCE
#include "senders.h"

#include <errno.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Packets in a batch: NAPI_POLL_WEIGHT, what a driver hands over in one poll. */
enum { BATCH = 64 };

/* Of instructions, well above what a frame needs. */
enum { LONGEST_PROGRAM = 96 };

/* Registers by what they hold; the first three are the kernel's choice. */
enum {
	RESULT = BPF_REG_0,
	CONTEXT = BPF_REG_1,
	FRAME = BPF_REG_2,
	FRAME_END = BPF_REG_3,
	SCRATCH = BPF_REG_4,
	CLIENT = BPF_REG_5,
	POSITION = BPF_REG_6,
	NEXT = BPF_REG_7,
	ADDRESS = BPF_REG_8,
	SUM = BPF_REG_9,
};

struct program {
	struct bpf_insn instructions[LONGEST_PROGRAM];
	uint32_t count;
};

static struct {
	const struct flows *flows;
	int program;
	/* The value of the program's only map, shared with the kernel. */
	struct position *position;
	struct xdp_md context;
} self;

static int bpf(int command, union bpf_attr *attributes)
{
	return (int)syscall(SYS_bpf, command, attributes, sizeof *attributes);
}

static void emit(struct program *program, int code, int destination, int source, size_t offset, uint32_t immediate)
{
	program->instructions[program->count++] = (struct bpf_insn){
		.code = (uint8_t)code,
		.dst_reg = destination & 15,
		.src_reg = source & 15,
		.off = (int16_t)offset,
		.imm = (int32_t)immediate,
	};
}

/* Arithmetic on 32 bits, with a register or a constant. */
static void compute(struct program *program, int operation, int destination, int source)
{
	emit(program, BPF_ALU | operation | BPF_X, destination, source, 0, 0);
}

static void compute_with(struct program *program, int operation, int destination, uint32_t constant)
{
	emit(program, BPF_ALU | operation | BPF_K, destination, 0, 0, constant);
}

static void load_word(struct program *program, int destination, int base, size_t offset)
{
	emit(program, BPF_LDX | BPF_MEM | BPF_W, destination, base, offset, 0);
}

/* Writes a register's lower bits into the frame in network byte order, which the register has from then on. */
static void store(struct program *program, int size, int source, size_t offset)
{
	emit(program, BPF_ALU | BPF_END | BPF_TO_BE, source, 0, 0, size == BPF_W ? 32 : 16);
	emit(program, BPF_STX | BPF_MEM | size, FRAME, source, offset, 0);
}

/* Leaves where the frame is too short, which it never is: without it the kernel refuses the program. */
static void check_length(struct program *program, size_t length)
{
	load_word(program, FRAME, CONTEXT, offsetof(struct xdp_md, data));
	load_word(program, FRAME_END, CONTEXT, offsetof(struct xdp_md, data_end));
	emit(program, BPF_ALU64 | BPF_MOV | BPF_X, SCRATCH, FRAME, 0, 0);
	emit(program, BPF_ALU64 | BPF_ADD | BPF_K, SCRATCH, 0, 0, (uint32_t)length);
	emit(program, BPF_JMP | BPF_JLE | BPF_X, SCRATCH, FRAME_END, 2, 0);
	compute_with(program, BPF_MOV, RESULT, XDP_ABORTED);
	emit(program, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

/* CLIENT = whose turn it is; moves on. */
static void take_client(struct program *program, int map, uint32_t clients)
{
	emit(program, BPF_LD | BPF_IMM | BPF_DW, POSITION, BPF_PSEUDO_MAP_VALUE, 0, (uint32_t)map);
	emit(program, 0, 0, 0, 0, 0);
	load_word(program, CLIENT, POSITION, offsetof(struct position, next));
	load_word(program, NEXT, POSITION, offsetof(struct position, step));
	compute(program, BPF_ADD, NEXT, CLIENT);
	emit(program, BPF_JMP32 | BPF_JLT | BPF_K, NEXT, 0, 1, clients);
	compute_with(program, BPF_SUB, NEXT, clients);
	emit(program, BPF_STX | BPF_MEM | BPF_W, POSITION, NEXT, offsetof(struct position, next), 0);
}

/* Writes all that the clients' headers have in common, word by word; the kernel writes the frame once, and nobody what follows. */
static void copy_frame(struct program *program, const struct flows *flows)
{
	for (size_t offset = 0; offset + 2 <= flows->headers;) {
		size_t width = offset + 4 <= flows->headers ? 4 : 2;
		uint32_t word = 0;
		uint16_t half;

		memcpy(&word, flows->frame + offset, width);
		memcpy(&half, flows->frame + offset, sizeof half);
		emit(program, BPF_ST | BPF_MEM | (width == 4 ? BPF_W : BPF_H), FRAME, 0, offset,
		     width == 4 ? word : half);
		offset += width;
	}
}

static void fold_sum(struct program *program)
{
	compute(program, BPF_MOV, SCRATCH, SUM);
	compute_with(program, BPF_RSH, SCRATCH, 16);
	compute_with(program, BPF_AND, SUM, 0xffff);
	compute(program, BPF_ADD, SUM, SCRATCH);
}

/* What write_frame does, in the same order. */
static void write_client(struct program *program, const struct flows *flows)
{
	compute(program, BPF_MOV, ADDRESS, CLIENT);
	compute_with(program, BPF_ADD, ADDRESS, flows->first_address);
	compute(program, BPF_MOV, SUM, ADDRESS);
	compute_with(program, BPF_RSH, SUM, 16);
	compute(program, BPF_MOV, SCRATCH, ADDRESS);
	compute_with(program, BPF_AND, SCRATCH, 0xffff);
	compute(program, BPF_ADD, SUM, SCRATCH);
	compute_with(program, BPF_ADD, SUM, flows->checksum_base);
	store(program, BPF_W, ADDRESS, flows->address_at);

	compute_with(program, BPF_MUL, CLIENT, PORT_FACTOR);
	compute_with(program, BPF_AND, CLIENT, PORT_MASK);
	compute_with(program, BPF_ADD, CLIENT, FIRST_PORT);
	if (flows->checksum_covers_port)
		compute(program, BPF_ADD, SUM, CLIENT);
	store(program, BPF_H, CLIENT, flows->port_at);

	fold_sum(program);
	fold_sum(program);
	compute_with(program, BPF_XOR, SUM, 0xffff);
	if (flows->checksum_covers_port) {
		emit(program, BPF_JMP32 | BPF_JNE | BPF_K, SUM, 0, 1, 0);
		compute_with(program, BPF_MOV, SUM, 0xffff);
	}
	store(program, BPF_H, SUM, flows->checksum_at);
}

static void assemble(struct program *program, const struct flows *flows, int map)
{
	program->count = 0;
	check_length(program, flows->headers);
	take_client(program, map, flows->clients);
	copy_frame(program, flows);
	write_client(program, flows);
	compute_with(program, BPF_MOV, RESULT, XDP_PASS);
	emit(program, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

static int create_position(void)
{
	union bpf_attr attributes = {
		.map_type = BPF_MAP_TYPE_ARRAY,
		.key_size = sizeof(uint32_t),
		.value_size = sizeof(struct position),
		.max_entries = 1,
		.map_flags = BPF_F_MMAPABLE,
	};
	int map = bpf(BPF_MAP_CREATE, &attributes);
	void *memory;

	if (map < 0)
		return -1;
	memory = mmap(NULL, (size_t)sysconf(_SC_PAGESIZE), PROT_READ | PROT_WRITE, MAP_SHARED, map, 0);
	if (memory == MAP_FAILED)
		return -1;
	self.position = memory;
	return map;
}

static int load_program(const struct program *program)
{
	union bpf_attr attributes;

	memset(&attributes, 0, sizeof attributes);
	attributes.prog_type = BPF_PROG_TYPE_XDP;
	attributes.insns = (uintptr_t)program->instructions;
	attributes.insn_cnt = program->count;
	attributes.license = (uintptr_t) "GPL";
	return bpf(BPF_PROG_LOAD, &attributes);
}

/* The kernel's own time for the packets, as making and ending the pool of pages takes it milliseconds more. */
static bool run_program(uint32_t times, uint64_t *nanoseconds)
{
	union bpf_attr attributes;

	memset(&attributes, 0, sizeof attributes);
	attributes.test.prog_fd = (uint32_t)self.program;
	attributes.test.data_in = (uintptr_t)self.flows->frame;
	attributes.test.data_size_in = (uint32_t)self.flows->length;
	attributes.test.ctx_in = (uintptr_t)&self.context;
	attributes.test.ctx_size_in = sizeof self.context;
	attributes.test.repeat = times;
	attributes.test.flags = BPF_F_TEST_XDP_LIVE_FRAMES;
	attributes.test.batch_size = BATCH;
	if (bpf(BPF_PROG_TEST_RUN, &attributes))
		return false;
	/* For each packet, rounded down. */
	*nanoseconds += (uint64_t)attributes.test.duration * times + times / 2;
	return true;
}

static bool open_program(const struct flows *flows, const char *device)
{
	struct program program;
	int map = create_position();

	if (map < 0)
		return false;
	assemble(&program, flows, map);
	self.program = load_program(&program);
	if (self.program < 0)
		return false;
	self.flows = flows;
	self.context.data_end = (uint32_t)flows->length;
	self.context.ingress_ifindex = if_nametoindex(device);
	return self.context.ingress_ifindex != 0;
}

static bool send_packets(struct position *position, uint32_t packets, uint64_t *nanoseconds)
{
	bool sent;

	*self.position = *position;
	sent = run_program(packets, nanoseconds);
	*position = *self.position;
	return sent;
}

const struct sender live_frames = {
	.name = "xdp",
	.open = open_program,
	.send = send_packets,
};
