// Loops over code vectors; the conventions of CKernels.h hold here too.
#pragma once
#include <stddef.h>
#include <stdint.h>

// MARK: nearest_code.c
enum { TSR_CODE_PANEL = 16 };
/// Packs codes [n, d] into panels of 16 codes: [ceil(n/16), d, 16], zero padded.
void tsr_pack_codes(float *panels, const float *codes, size_t n, size_t d);
/// For each row of x [rows, d]: the code with the smallest offset + |row - code|^2. index and value hold
/// the best so far (value starts at infinity) and change only where a smaller one turns up, so that a
/// large codebook can be passed in parts; first_code is the part's number of its first code. The first
/// of equals wins. offset holds a number for every code of the panels; infinity bars a code.
/// A row's result does not depend on the rows beside it.
void tsr_nearest_code(uint32_t *index, float *value, const float *x, const float *panels,
                      const float *offset, size_t rows, size_t d, size_t panel_count,
                      uint32_t first_code);
/// closer[j] = min(closest[j], |x - code j|^2) for every code of the panels, x [d]; returns their sum in float64.
/// closest and closer hold 16 panel_count numbers and may be the same.
double tsr_closer_to_row(float *closer, const float *closest, const float *x, const float *panels,
                         size_t d, size_t panel_count);
