// Imported first where a library is put in front of the programs: that does not go with sanitizers, which have to be first themselves.

process.env.FB_TEST_BUILD = 'build';
