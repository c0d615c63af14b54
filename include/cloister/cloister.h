/* All of libcloister's C API: predicts what an image will measure, reads and verifies evidence of confidential
 * VMs, appraises it by reference values and a policy. examples/ shows how.
 *
 * The library is given bytes, a time and limits; it opens no file, no socket and no device, asks no clock
 * and prints nothing. It has no global state: any number of threads may use it at once, and one object
 * from several threads as long as none of them changes or frees it.
 *
 * - A function that can fail returns bool and says why in `err`, which the caller provides. `out` is
 *   written on success only. No pointer may be NULL unless its comment says so, but every _free takes NULL.
 * - A `const T *` that is returned belongs to the object that it was asked of; `T **out` becomes the
 *   caller's, to be given to its _free.
 * - A `struct clo_bytes` is a view: the bytes must outlive what was parsed from them.
 * - Parsed values are claims. Believe those of a type whose name ends in _verified, which its verify
 *   function alone makes. */
#ifndef CLOISTER_CLOISTER_H
#define CLOISTER_CLOISTER_H

#include "cloister/appraise.h"
#include "cloister/audit.h"
#include "cloister/authenticode.h"
#include "cloister/base.h"
#include "cloister/ccel.h"
#include "cloister/cel.h"
#include "cloister/checks.h"
#include "cloister/corim.h"
#include "cloister/cose.h"
#include "cloister/crypto.h"
#include "cloister/ear.h"
#include "cloister/efi_auth.h"
#include "cloister/efivar.h"
#include "cloister/encoding.h"
#include "cloister/event_fields.h"
#include "cloister/eventlog.h"
#include "cloister/evidence.h"
#include "cloister/explain.h"
#include "cloister/hcl.h"
#include "cloister/id_block.h"
#include "cloister/igvm.h"
#include "cloister/ima.h"
#include "cloister/jose.h"
#include "cloister/json.h"
#include "cloister/kconfig.h"
#include "cloister/kds.h"
#include "cloister/launch.h"
#include "cloister/launch_explain.h"
#include "cloister/missing.h"
#include "cloister/pcr.h"
#include "cloister/pcrlock.h"
#include "cloister/pe.h"
#include "cloister/policy.h"
#include "cloister/policy_pins.h"
#include "cloister/quote.h"
#include "cloister/reference.h"
#include "cloister/report.h"
#include "cloister/resource.h"
#include "cloister/sbat_level.h"
#include "cloister/shim.h"
#include "cloister/signature_list.h"
#include "cloister/snp.h"
#include "cloister/tdvf.h"
#include "cloister/tdx.h"
#include "cloister/tdx_collateral.h"
#include "cloister/uki.h"
#include "cloister/userlog.h"
#include "cloister/version.h"

#endif
