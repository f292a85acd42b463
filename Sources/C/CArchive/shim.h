// libarchive: zip archives, read and written.
#pragma once
#include <archive.h>
#include <archive_entry.h>
