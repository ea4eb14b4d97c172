/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "value.h"

#define NAME(error) { error, #error }

/* glibc alone can tell the name of an error number. */
static const struct {
	int error;
	const char *name;
} error_names[] = {
	NAME(E2BIG), NAME(EACCES), NAME(EADDRINUSE), NAME(EADDRNOTAVAIL), NAME(EAFNOSUPPORT), NAME(EAGAIN),
	NAME(EALREADY), NAME(EBADF), NAME(EBADMSG), NAME(EBUSY), NAME(ECANCELED), NAME(ECHILD), NAME(ECONNABORTED),
	NAME(ECONNREFUSED), NAME(ECONNRESET), NAME(EDEADLK), NAME(EDESTADDRREQ), NAME(EDOM), NAME(EDQUOT),
	NAME(EEXIST), NAME(EFAULT), NAME(EFBIG), NAME(EHOSTDOWN), NAME(EHOSTUNREACH), NAME(EILSEQ),
	NAME(EINPROGRESS), NAME(EINTR), NAME(EINVAL), NAME(EIO), NAME(EISCONN), NAME(EISDIR), NAME(ELOOP),
	NAME(EMFILE), NAME(EMLINK), NAME(EMSGSIZE), NAME(ENAMETOOLONG), NAME(ENETDOWN), NAME(ENETRESET),
	NAME(ENETUNREACH), NAME(ENFILE), NAME(ENOBUFS), NAME(ENODATA), NAME(ENODEV), NAME(ENOENT), NAME(ENOEXEC),
	NAME(ENOLCK), NAME(ENOLINK), NAME(ENOMEM), NAME(ENOMSG), NAME(ENONET), NAME(ENOPROTOOPT), NAME(ENOSPC),
	NAME(ENOSYS), NAME(ENOTBLK), NAME(ENOTCONN), NAME(ENOTDIR), NAME(ENOTEMPTY), NAME(ENOTSOCK), NAME(ENOTTY),
	NAME(ENOTUNIQ), NAME(ENXIO), NAME(EOPNOTSUPP), NAME(EOVERFLOW), NAME(EPERM), NAME(EPFNOSUPPORT), NAME(EPIPE),
	NAME(EPROTO), NAME(EPROTONOSUPPORT), NAME(EPROTOTYPE), NAME(ERANGE), NAME(EREMOTEIO), NAME(EROFS),
	NAME(ESHUTDOWN), NAME(ESOCKTNOSUPPORT), NAME(ESPIPE), NAME(ESRCH), NAME(ESTALE), NAME(ETIME),
	NAME(ETIMEDOUT), NAME(ETXTBSY), NAME(EUSERS), NAME(EXDEV),
};

JSValue throw_errno(JSContext *ctx, int error, const char *syscall, const char *subject)
{
	char code[16], message[512];
	JSValue object;

	snprintf(code, sizeof(code), "E%d", error);
	for (int i = 0; i < COUNT(error_names); i++) {
		if (error_names[i].error == error)
			snprintf(code, sizeof(code), "%s", error_names[i].name);
	}
	snprintf(message, sizeof(message), "%s%s%s: %s", syscall, subject ? " " : "", subject ? subject : "",
		 strerror(error));
	object = JS_NewPlainError(ctx, "%s", message);
	if (JS_IsException(object))
		return JS_EXCEPTION;
	if (!value_define(ctx, object, "code", JS_NewString(ctx, code)) ||
	    !value_define(ctx, object, "errno", JS_NewInt32(ctx, error)) ||
	    !value_define(ctx, object, "syscall", JS_NewString(ctx, syscall))) {
		JS_FreeValue(ctx, object);
		return JS_EXCEPTION;
	}
	return JS_Throw(ctx, object);
}
