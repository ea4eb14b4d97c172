import { BrokerServer } from '../ubus/broker-server.ts';

// Runs in the virtual machine, in our runtime: what ubusd does, so that the command line reaches the daemon.
globalThis.broker = new BrokerServer('/var/run/ubus/ubus.sock');
console.log('bus: ready');

declare global {
  var broker: BrokerServer;
}
