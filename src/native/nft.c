/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "nft.h"

#include <dlfcn.h>
#include <string.h>

#include "text.h"
#include "value.h"

/* <nftables/libnftables.h>, as far as we need it: the same since nftables 0.9.4. */
struct nft_ctx;

#define NFT_CTX_DEFAULT 0
#define NFT_CTX_OUTPUT_HANDLE (1 << 3)
#define NFT_CTX_OUTPUT_JSON (1 << 4)
#define NFT_CTX_OUTPUT_TERSE (1 << 11)

static struct {
	void *handle;
	struct nft_ctx *(*ctx_new)(uint32_t flags);
	void (*ctx_free)(struct nft_ctx *ctx);
	void (*output_set_flags)(struct nft_ctx *ctx, unsigned int flags);
	int (*buffer_output)(struct nft_ctx *ctx);
	const char *(*get_output_buffer)(struct nft_ctx *ctx);
	int (*buffer_error)(struct nft_ctx *ctx);
	const char *(*get_error_buffer)(struct nft_ctx *ctx);
	int (*run_cmd_from_buffer)(struct nft_ctx *ctx, const char *buffer);
} library;

/* ISO C does not let a data pointer be cast to a function pointer, POSIX does, by way of this. */
#define SYMBOL(member, name) { (void **)&library.member, name }

/* Loads the library on first use. Returns NULL, or why it cannot be loaded. */
static const char *load(void)
{
	const struct {
		void **function;
		const char *name;
	} symbols[] = {
		SYMBOL(ctx_new, "nft_ctx_new"),
		SYMBOL(ctx_free, "nft_ctx_free"),
		SYMBOL(output_set_flags, "nft_ctx_output_set_flags"),
		SYMBOL(buffer_output, "nft_ctx_buffer_output"),
		SYMBOL(get_output_buffer, "nft_ctx_get_output_buffer"),
		SYMBOL(buffer_error, "nft_ctx_buffer_error"),
		SYMBOL(get_error_buffer, "nft_ctx_get_error_buffer"),
		SYMBOL(run_cmd_from_buffer, "nft_run_cmd_from_buffer"),
	};
	void *handle;

	if (library.handle)
		return NULL;
	handle = dlopen("libnftables.so.1", RTLD_NOW | RTLD_LOCAL);
	if (!handle)
		return dlerror();
	for (int i = 0; i < COUNT(symbols); i++) {
		*symbols[i].function = dlsym(handle, symbols[i].name);
		if (!*symbols[i].function) {
			dlclose(handle);
			return "libnftables.so.1 is too old";
		}
	}
	library.handle = handle;
	return NULL;
}

static JSValue new_result(JSContext *ctx, int status, const char *json, const char *error)
{
	JSValue result = JS_NewObject(ctx);

	if (JS_IsException(result))
		return JS_EXCEPTION;
	if (!value_define(ctx, result, "status", JS_NewInt32(ctx, status)) ||
	    !value_define(ctx, result, "json", text_decode(ctx, (const uint8_t *)json, strlen(json))) ||
	    !value_define(ctx, result, "error", text_decode(ctx, (const uint8_t *)error, strlen(error)))) {
		JS_FreeValue(ctx, result);
		return JS_EXCEPTION;
	}
	return result;
}

/*
 * The context of the last run. Freeing it closes its socket, and the kernel lets that wait until every CPU has seen the
 * transaction (nft_rcv_nl_event): 15 ms that a caller in a hurry had better spend otherwise.
 */
static struct nft_ctx *spent;

void nft_release(void)
{
	if (spent)
		library.ctx_free(spent);
	spent = NULL;
}

/* A context keeps a cache of the ruleset that a failed transaction leaves wrong: each run has its own. */
static JSValue run(JSContext *ctx, const char *json, unsigned int flags)
{
	const char *output, *error;
	struct nft_ctx *nft;
	JSValue result;
	int status;

	nft_release();
	nft = library.ctx_new(NFT_CTX_DEFAULT);
	if (!nft)
		return JS_ThrowInternalError(ctx, "libnftables gives no context");
	library.output_set_flags(nft, flags);
	if (library.buffer_output(nft) != 0 || library.buffer_error(nft) != 0) {
		library.ctx_free(nft);
		return JS_ThrowOutOfMemory(ctx);
	}
	status = library.run_cmd_from_buffer(nft, json);
	output = library.get_output_buffer(nft);
	error = library.get_error_buffer(nft);
	result = new_result(ctx, status, output ? output : "", error ? error : "");
	spent = nft;
	return result;
}

static JSValue nft_run(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
	unsigned int flags = NFT_CTX_OUTPUT_JSON | NFT_CTX_OUTPUT_HANDLE;
	const char *json, *problem;
	bool terse = false;
	JSValue result;

	(void)this_val, (void)argc;
	if (!JS_IsUndefined(argv[1]) && !value_boolean(ctx, argv[1], "terse", &terse))
		return JS_EXCEPTION;
	if (terse)
		flags |= NFT_CTX_OUTPUT_TERSE;
	json = value_path(ctx, argv[0], "json");
	if (!json)
		return JS_EXCEPTION;
	problem = load();
	/* What is no JSON libnftables would read as commands in its own language. */
	if (problem)
		result = JS_ThrowInternalError(ctx, "libnftables cannot be loaded: %s", problem);
	else if (json[strspn(json, " \t\r\n")] != '{')
		result = new_result(ctx, -1, "", "not a JSON object");
	else
		result = run(ctx, json, flags);
	JS_FreeCString(ctx, json);
	return result;
}

static JSValue nft_available(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
	(void)this_val, (void)argc, (void)argv;
	return JS_NewBool(ctx, load() == NULL);
}

static const JSCFunctionListEntry nft_functions[] = {
	JS_CFUNC_DEF("run", 2, nft_run),
	JS_CFUNC_DEF("available", 0, nft_available),
};

static const JSCFunctionListEntry nft_objects[] = {
	JS_OBJECT_DEF("nft", nft_functions, COUNT(nft_functions), JS_PROP_C_W_E),
};

int nft_exports(JSContext *ctx, JSModuleDef *module)
{
	return JS_AddModuleExportList(ctx, module, nft_objects, COUNT(nft_objects));
}

int nft_init(JSContext *ctx, JSModuleDef *module)
{
	return JS_SetModuleExportList(ctx, module, nft_objects, COUNT(nft_objects));
}
