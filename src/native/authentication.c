/*
 * Our own code, since a router's kernel lends its own by no system call: OpenWrt's have no AF_ALG unless a package brings it.
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "authentication.h"

#include "sha256.h"
#include "value.h"

static JSValue authenticate(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
	uint8_t tag[SHA256_LENGTH];
	struct bytes key, data;

	(void)this_val, (void)argc;
	if (!value_bytes(ctx, argv[0], "key", false, &key) || !value_bytes(ctx, argv[1], "data", false, &data))
		return JS_EXCEPTION;
	hmac_sha256(key.data, key.length, data.data, data.length, tag);
	return JS_NewUint8ArrayCopy(ctx, tag, sizeof(tag));
}

/* Looks at every byte, wherever the first difference is. Only the lengths show in the time it takes. */
static JSValue equal_bytes(JSContext *ctx, JSValueConst this_val, int argc, JSValueConst *argv)
{
	struct bytes one, other;
	volatile uint8_t difference = 0;

	(void)this_val, (void)argc;
	if (!value_bytes(ctx, argv[0], "one", false, &one) || !value_bytes(ctx, argv[1], "other", false, &other))
		return JS_EXCEPTION;
	if (one.length != other.length)
		return JS_FALSE;
	for (size_t i = 0; i < one.length; i++)
		difference = (uint8_t)(difference | (one.data[i] ^ other.data[i]));
	return JS_NewBool(ctx, difference == 0);
}

static const JSCFunctionListEntry authentication_functions[] = {
	JS_CFUNC_DEF("hmacSha256", 2, authenticate),
	JS_CFUNC_DEF("equalBytes", 2, equal_bytes),
};

int authentication_exports(JSContext *ctx, JSModuleDef *module)
{
	return JS_AddModuleExportList(ctx, module, authentication_functions, COUNT(authentication_functions));
}

int authentication_init(JSContext *ctx, JSModuleDef *module)
{
	return JS_SetModuleExportList(ctx, module, authentication_functions, COUNT(authentication_functions));
}
