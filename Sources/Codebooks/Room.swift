// Codebooks
