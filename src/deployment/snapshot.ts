export * from '../membership/snapshot.ts';
