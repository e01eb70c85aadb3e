/* The reflected polynomials: bit 31 or 63 stands for x^0. */
#ifndef CAIRN_BASE_CRC_PRIV_H
#define CAIRN_BASE_CRC_PRIV_H

#include <stdint.h>

#define CRC32_POLY 0xedb88320U             /* IEEE 802.3 */
#define CRC32C_POLY 0x82f63b78U            /* Castagnoli, RFC 3720 */
#define CRC64NVME_POLY 0x9a6c9329ac4bc9b5U /* NVM Express; the mirror of 0xad93d23594c93659 */

#endif
