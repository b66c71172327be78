/* How far errors of estimates by bits are allowed for. */
#ifndef PH_RAG_VINDEX_BITS_H
#define PH_RAG_VINDEX_BITS_H

/* In standard deviations, for a wanted recall; 0, for recall 1: by proof. */
double ph_vbits_spread(double recall);

#endif
