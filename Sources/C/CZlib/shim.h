// zlib: inflate and CRC-32.
#pragma once
#include <zlib.h>

/// Begins to inflate a stream without zlib's header, as zip archives hold it; a macro in zlib.
static inline int inflateInitRaw(z_stream *stream) { return inflateInit2(stream, -MAX_WBITS); }
