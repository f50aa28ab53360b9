// Package metrics holds what is measured against what happens: a cycle in which everything that is counted occurs must move every series that a
// service declares, and alerts and dashboards may name only series that some service declares. A metric that stands still whatever happens is worse
// than none.
//
// There is nothing to import here.
package metrics
