// Package peers measures Weir against other programs on the same input. It is
// a module of its own so that what these need is no dependency of Weir.
package peers
