/*
 * A libnftables that refuses to run anything while the file named by REFUSE_NFT exists, and is the real one otherwise.
 * Build: cc -shared -fPIC -DREAL='"/path/of/libnftables.so.1"' -o libnftables.so.1 libnftables.c -ldl
 */
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

struct nft_ctx;

static int refused;

static void *real(const char *name)
{
	static void *library;

	if (!library)
		library = dlopen(REAL, RTLD_NOW | RTLD_LOCAL);
	return library ? dlsym(library, name) : NULL;
}

#define FORWARD(type, name, parameters, arguments)                \
	type name parameters                                       \
	{                                                          \
		return ((type (*) parameters)real(#name)) arguments; \
	}

FORWARD(struct nft_ctx *, nft_ctx_new, (unsigned int flags), (flags))
FORWARD(void, nft_ctx_free, (struct nft_ctx *ctx), (ctx))
FORWARD(void, nft_ctx_output_set_flags, (struct nft_ctx *ctx, unsigned int flags), (ctx, flags))
FORWARD(int, nft_ctx_buffer_output, (struct nft_ctx *ctx), (ctx))
FORWARD(const char *, nft_ctx_get_output_buffer, (struct nft_ctx *ctx), (ctx))
FORWARD(int, nft_ctx_buffer_error, (struct nft_ctx *ctx), (ctx))

int nft_run_cmd_from_buffer(struct nft_ctx *ctx, const char *buffer)
{
	const char *file = getenv("REFUSE_NFT");

	refused = file && access(file, F_OK) == 0;
	return refused ? 1 : ((int (*)(struct nft_ctx *, const char *))real("nft_run_cmd_from_buffer"))(ctx, buffer);
}

const char *nft_ctx_get_error_buffer(struct nft_ctx *ctx)
{
	if (refused)
		return "internal:0:0-0: Error: Could not process rule: Cannot allocate memory\n";
	return ((const char *(*)(struct nft_ctx *))real("nft_ctx_get_error_buffer"))(ctx);
}
